import { acrOfRank, type FactorName, rankReached, type SecondFactor } from '../mfa/acr.ts';
import { amrTogether, type SignInMethod, signInMethodsOf } from '../mfa/sign-in-methods.ts';
import type { OrganizationState } from './organization/state.ts';

/** What a finished step hands back: who is proven, how (RFC 8176) and when (epoch seconds). */
export type Proof = {
  userId: string;
  factor: FactorName;
  amr: readonly string[];
  at: number;
  /** When the password was set that was given: by that it is known whether it was replaced since. */
  setAt?: string;
  /** The password that was given only leads to choosing another: `setAt` once more. */
  mustChange?: string;
  /** It was turned on in this sign-in. */
  enrolled?: boolean;
  /** No second factor shall be asked for in this browser for a while. */
  remember?: boolean;
};

/** The browser's session, as far as a sign-in builds on it. */
export type EarlierSession = {
  userId: string;
  acr: string | undefined;
  amr: readonly string[];
  /** Epoch seconds. */
  at: number;
  /** It is from too long ago to turn a factor on with it. */
  stale?: boolean;
};

/** What is known of the person whom a sign-in is about. */
export type Person = {
  id: string;
  /** The rank that policy asks of them (mfa/policy.ts). */
  required: number;
  /** This browser may do without a second factor, as far as policy goes. */
  deviceTrusted: boolean;
  /** Second factors that they have and may use. */
  factors: readonly SecondFactor[];
  /** Second factors that they could turn on here and now. */
  enrollable: readonly SecondFactor[];
  /** They have recovery codes left. */
  recoveryCodes: boolean;
  /** They may get in without their second factors, after a wait. */
  mayRecover?: boolean;
  /** They may be offered to create a passkey in passing. */
  offerPasskey: boolean;
};

/** Everything that decides what a sign-in needs next. */
export type LoginState = {
  prompt: 'create' | 'login' | 'consent';
  /** Who is signed in to this browser and asked to prove it again, or more. */
  sessionUserId: string | undefined;
  /** Their session, where the request only asks for more than it has. */
  earlier: EarlierSession | undefined;
  /** The person chose to go on as somebody else, or the request names somebody else. */
  otherAccount: boolean;
  /** Of one person: that of the latest. */
  proofs: readonly Proof[];
  /** Whom it is about, once that is known: who is proven, or whose session is built on. */
  person: Person | undefined;
  /** The rank that the request asks for by acr; undefined where nobody could meet it. */
  asks: number | undefined;
  /** Where the request is for an organization, and it is known who the person is. */
  organization?: OrganizationState | undefined;
  /** The page that a person is in the middle of: a code is on its way to them, say. */
  step: string | undefined;
  /** The page that the address asks for, when somebody followed a link to it. */
  asked: string | undefined;
  /** Pages that anybody may ask for: what this installation offers beside signing in. */
  offers: ReadonlySet<string>;
};

export type Step =
  | { page: 'login' }
  | { page: 'password'; userId: string }
  | { page: 'consent' }
  /** A page of another slice, before anybody is proven. */
  | { page: string }
  /** A page for somebody of whom something is proven; `others` are pages that would do as well. */
  | { page: string; userId: string; others: readonly string[] }
  | { done: Outcome }
  /** What the request asks for can't be met: an error, not a weaker token. */
  | { unmet: true };

/** What a sign-in came to; `ts` in epoch seconds. */
export type Outcome = {
  accountId: string;
  amr: string[];
  acr: string;
  ts: number;
  organizationId?: string;
};

/** The page on which each second factor is proven. */
const PROVE: Readonly<Record<SecondFactor, string>> = {
  passkey: 'passkey',
  totp: 'totp',
  sms: 'sms-code',
  email: 'mail-code',
};

/** The page on which each is turned on. */
const ENROL = { ...PROVE, passkey: 'enrol-passkey', totp: 'enrol-totp' };

/** Pages that nobody comes to before something is proven. */
const LATER = new Set([
  ...Object.values(PROVE),
  ...Object.values(ENROL),
  'recovery-code',
  'lost-factors',
  'enrol-mfa',
  'recovery-codes',
  'passkey-offer',
  'choose-organization',
  'organization-refused',
  'join-organization',
]);

const UNMET = { unmet: true } as const;

/** What comes next, decided here and nowhere else (login.md). */
export function nextStep(state: LoginState): Step {
  const { person, proofs } = state;
  if (state.prompt === 'consent') return { page: 'consent' };
  if (state.asks === undefined) return UNMET;
  const reached = reachedBy(state);
  if (person === undefined || reached === 0) return identify(state);

  const more =
    oneMore(state, person, state.asks, reached) ?? forOrganization(state, person, state.asks);
  if (more !== undefined) return more;
  if (proofs.some(({ mustChange }) => mustChange !== undefined))
    return only(person, 'new-password');
  if (proofs.some(({ enrolled }) => enrolled) && !person.recoveryCodes) {
    return only(person, 'recovery-codes');
  }
  // A passkey would be a second factor from then on, so who has one gives it first: also where a
  // trusted browser stands in for it, or this app asks for none.
  const provenAll = reached > 1 || person.factors.length === 0;
  if (person.offerPasskey && provenAll && reached >= person.required)
    return only(person, 'passkey-offer');
  return { done: outcome(state, person, reached) };
}

function only({ id: userId }: Person, page: string): Step {
  return { page, userId, others: [] };
}

function reachedBy({ proofs, earlier, person }: LoginState): number {
  const mailIsSecond = person?.factors.includes('email') ?? false;
  return rankReached(
    proofs.map(({ factor }) => factor),
    { earlier, mailIsSecond },
  );
}

function identify(state: LoginState): Step {
  const { asked, step, offers, sessionUserId } = state;
  if (asked !== undefined && offers.has(asked)) return { page: asked };
  if (step !== undefined && asked !== 'login' && !LATER.has(step)) return { page: step };
  if (state.prompt === 'create' && asked !== 'login' && offers.has('register')) {
    return { page: 'register' };
  }
  return sessionUserId !== undefined && !state.otherAccount
    ? { page: 'password', userId: sessionUserId }
    : { page: 'login' };
}

/** The factor that is missing, if one is: one the person has, before one they would turn on. */
function oneMore(
  state: LoginState,
  person: Person,
  asks: number,
  reached: number,
): Step | undefined {
  const required = person.deviceTrusted ? 1 : person.required;
  const needed = Math.max(asks, required);
  if (reached >= needed) return undefined;
  const { factors, enrollable } = person;
  if (needed === 3 && factors.includes('passkey')) return among(state, person, ['passkey']);
  if (reached < 2 && factors.length > 0) return second(state, person);
  if (needed === 3)
    return enrollable.includes('passkey') ? enrol(state, person, ['passkey']) : UNMET;
  const choices = withoutMailTwice(state, enrollable);
  return choices.length === 0 ? UNMET : enrol(state, person, choices);
}

/** One of the second factors that a person has, or what they have in place of it. */
function second(state: LoginState, person: Person): Step {
  const pages = withoutMailTwice(state, person.factors).map((factor) => PROVE[factor]);
  if (person.recoveryCodes) pages.push('recovery-code');
  // Who has mail as their second factor and came by mail has their password left to give.
  if (pages.length === 0) return { page: 'login' };
  const byPassword = state.proofs.some(({ factor }) => factor === 'password');
  if (person.mayRecover && byPassword) pages.push('lost-factors');
  return among(state, person, pages);
}

/** What an organization asks of who is proven as far as the installation and the app ask. */
function forOrganization(state: LoginState, person: Person, asks: number): Step | undefined {
  const { organization, earlier } = state;
  if (!organization) return undefined;
  if (organization.outcome === 'choose') return only(person, 'choose-organization');
  if (organization.outcome === 'refused') {
    return only(person, organization.mayJoin ? 'join-organization' : 'organization-refused');
  }
  if (organization.tooOld && earlier !== undefined)
    return nextStep({ ...state, earlier: undefined });
  const { mfaRequired, methods } = organization;
  // A browser that is remembered in place of a second factor isn't one here.
  const needed = Math.max(asks, mfaRequired ? 2 : 0);
  return otherMethod(state, person, methods) ?? oneMore(state, person, needed, reachedBy(state));
}

/** The page of a first factor that will do, where none was proven that does. */
function otherMethod(
  state: LoginState,
  person: Person,
  methods: readonly SignInMethod[] | null,
): Step | undefined {
  const { proofs, earlier, offers, sessionUserId, otherAccount } = state;
  const proven = [
    ...signInMethodsOf(earlier?.amr ?? []),
    ...proofs.map(({ factor }) => factor as SignInMethod),
  ];
  if (methods === null || methods.some((method) => proven.includes(method))) return undefined;
  const password = sessionUserId === person.id && !otherAccount ? 'password' : 'login';
  const pages = [
    ...(methods.includes('passkey') && person.factors.includes('passkey') ? ['passkey'] : []),
    ...(methods.includes('password') ? [password] : []),
    ...(methods.includes('email') && offers.has('code') ? ['code'] : []),
  ];
  if (pages.length > 0) return among(state, person, pages);
  if (methods.includes('passkey') && person.enrollable.includes('passkey')) {
    return enrol(state, person, ['passkey']);
  }
  return only(person, 'organization-refused');
}

/** A code by mail adds nothing for who came by one. */
function withoutMailTwice(
  { proofs, earlier }: LoginState,
  factors: readonly SecondFactor[],
): readonly SecondFactor[] {
  const byPassword =
    proofs.some(({ factor }) => factor === 'password') || earlier?.amr.includes('pwd');
  return byPassword ? factors : factors.filter((factor) => factor !== 'email');
}

/**
 * Whoever comes upon a session of long ago could turn on a factor of their own, but that all they have
 * is asked for anew.
 */
function enrol(state: LoginState, person: Person, choices: readonly SecondFactor[]): Step {
  if (state.earlier?.stale === true) {
    const anew = reachedBy({ ...state, earlier: undefined });
    if (anew === 0) return identify(state);
    if (anew < 2 && person.factors.length > 0) return second(state, person);
  }
  const pages = choices.map((factor) => ENROL[factor]);
  const chosen = [state.asked, state.step].find((page) => page && pages.includes(page));
  const only = pages.length === 1 ? pages[0] : undefined;
  return { page: chosen ?? only ?? 'enrol-mfa', userId: person.id, others: pages };
}

/** The page that was asked for or is under way, of those that would do; else the first. */
function among({ asked, step }: LoginState, { id }: Person, pages: readonly string[]): Step {
  const [first = ''] = pages;
  const page = [asked, step].find((one) => one !== undefined && pages.includes(one)) ?? first;
  return { page, userId: id, others: pages.filter((other) => other !== page) };
}

/**
 * What is told of the sign-in: all that was proven for it, and when. A second factor alone makes a
 * session of before stronger, not newer: who it is was authenticated then. Nor does a first factor
 * that is worth less than what is told: the others of that were given then.
 */
function outcome(state: LoginState, { id }: Person, reached: number): Outcome {
  const { proofs, earlier, organization } = state;
  const methods = organization?.outcome === 'in' ? organization.methods : null;
  const amr = amrTogether(earlier?.amr ?? [], proofs, methods);
  if (reached > 1) amr.push('mfa');
  const anew = proofs.some(({ factor }) =>
    factor === 'email'
      ? !earlier?.amr.includes('pwd')
      : factor === 'password' || factor === 'passkey',
  );
  const alone = reachedBy({ ...state, earlier: undefined });
  const latest = Math.max(0, ...proofs.map(({ at }) => at));
  return {
    accountId: id,
    amr: [...new Set(amr)],
    acr: acrOfRank(reached),
    ts: earlier !== undefined && !(anew && alone >= reached) ? earlier.at : latest,
    ...(organization?.outcome === 'in' ? { organizationId: organization.id } : {}),
  };
}
