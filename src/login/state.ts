import type { Context } from 'koa';
import { hashToken } from '../crypto/token-hash.ts';
import type { Db } from '../deps.ts';
import type { TrustedDevices } from '../devices/trusted-devices.ts';
import type { SecondFactor } from '../mfa/acr.ts';
import {
  acrValuesSupported,
  FRESH,
  type MfaRules,
  rankAsked,
  rankRequired,
  usableFactors,
} from '../mfa/policy.ts';
import { hadFactorAt } from '../mfa/store.ts';
import { findPassword } from '../password/store.ts';
import { wasCodeUsedIn } from '../recovery-codes/store.ts';
import { findActiveUser, type User } from '../users/store.ts';
import type { Interaction } from './interaction.ts';
import type { EarlierSession, LoginState, Person, Proof } from './next-step.ts';
import { type OrganizationParts, organizationState } from './organization/state.ts';
import type { LoginAttempt } from './store.ts';

/** What is asked when it is decided what comes next. */
export type StateParts = OrganizationParts & {
  mfa: MfaRules;
  trustedDevices: TrustedDevices;
  /** Whether somebody has recovery codes left. */
  hasRecoveryCodes: (db: Db, userId: string) => Promise<boolean>;
  /** Whether somebody may get in without their second factors, after a wait. */
  mayRecover: (user: User) => boolean;
  /** Whether it is time to offer somebody a passkey. */
  isPasskeyOfferDue: (user: User) => boolean;
};

/** A sign-in with whom it is about; `user` is what `state.person` was read from. */
export type Loaded = { state: LoginState; user: User | undefined };

/** Reasons for which the person signed in is not who the request wants. */
const WRONG_PERSON = new Set(['id_token_hint', 'claims_id_token_sub_value']);

/** The one reason for which what the session has proven still counts: it isn't enough. */
const MORE = 'assurance';

/**
 * Everything nextStep decides from. What was proven counts as long as it would count now: of who was
 * suspended, or got another password since, nothing is left.
 *
 * @param asked the page in the address.
 */
export async function loadState(
  parts: StateParts,
  ctx: Context,
  interaction: Interaction,
  attempt: LoginAttempt,
  offers: ReadonlySet<string>,
  asked?: string,
): Promise<Loaded> {
  const { db } = parts.deps;
  const { prompt, reasons, sessionUserId, session, askedAcr } = interaction;
  const otherAccount = attempt.switched || reasons.some((r) => WRONG_PERSON.has(r));
  const stepsUp = prompt === 'login' && !otherAccount && reasons.every((r) => r === MORE);
  const consents = prompt === 'consent';
  const valid = consents ? [] : await proofsThatHold(db, interaction.uid, attempt.proofs);
  const about = consents
    ? undefined
    : (valid.at(-1)?.userId ?? (stepsUp ? session?.userId : undefined));
  const user = about === undefined ? undefined : await findActiveUser(db, about);
  const proofs = user === undefined ? [] : valid;
  const earlier =
    stepsUp && session !== undefined && session.userId === user?.id
      ? { ...session, stale: parts.deps.now().getTime() / 1000 - session.at > FRESH }
      : undefined;
  const asks = rankAsked(askedAcr, acrValuesSupported(parts.mfa));
  const organization = user && (await organizationState(parts, interaction, attempt, user));
  const person =
    user &&
    (await describePerson(parts, ctx, user, {
      interaction,
      attempt,
      proofs,
      earlier,
      asks,
      organization,
    }));
  return {
    user,
    state: {
      prompt,
      sessionUserId,
      earlier,
      otherAccount,
      proofs,
      person,
      asks,
      organization,
      step: attempt.step ?? undefined,
      asked,
      offers,
    },
  };
}

/** Seconds by which the database's clock may be ahead, for what was turned on in the sign-in itself. */
const CLOCKS_APART = 60;

/**
 * Those of an interaction's proofs that are good still: of a password that was replaced, or a factor
 * that is gone or was turned on since in place of another, nothing is proven.
 */
export async function proofsThatHold(
  db: Db,
  uid: string,
  proofs: readonly Proof[],
): Promise<Proof[]> {
  const good: Proof[] = [];
  for (const proof of proofs) if (await holds(db, uid, proof)) good.push(proof);
  return good;
}

async function holds(db: Db, uid: string, proof: Proof): Promise<boolean> {
  const { userId, factor, setAt, at, enrolled } = proof;
  switch (factor) {
    case 'password':
      return setAt !== undefined && setAt === (await findPassword(db, userId))?.changed_at;
    case 'email':
      return true;
    case 'recovery-code':
      return wasCodeUsedIn(db, userId, hashToken(uid));
    case 'passkey':
    case 'totp':
    case 'sms':
      return hadFactorAt(db, userId, [factor], at + (enrolled ? CLOCKS_APART : 1));
    // Those of a version before this one don't say by what they prove.
    default:
      return false;
  }
}

type Circumstances = {
  interaction: Interaction;
  attempt: LoginAttempt;
  proofs: readonly Proof[];
  earlier: EarlierSession | undefined;
  asks: number | undefined;
  organization: LoginState['organization'];
};

async function describePerson(
  parts: StateParts,
  ctx: Context,
  user: User,
  { interaction, attempt, proofs, earlier, asks = 0, organization }: Circumstances,
): Promise<Person> {
  const { mfa, trustedDevices } = parts;
  const { db } = parts.deps;
  const factors = usableFactors(mfa, user);
  const required = rankRequired(mfa, interaction.appMfa, user);
  const there = organization?.outcome === 'in' && organization.mfaRequired;
  const more = there || required > 1 || asks > 1 || proofs.some(({ enrolled }) => enrolled);
  const byPassword = proofs.some(({ factor }) => factor === 'password');
  const enrollable = mfa.factors.filter((f) => !user.factors.includes(f) && hasChannel(user, f));
  return {
    id: user.id,
    required,
    deviceTrusted:
      required > 1 && !user.administrator && (await trustedDevices.isTrusted(db, ctx, user.id)),
    factors,
    enrollable,
    mayRecover: parts.mayRecover(user),
    recoveryCodes: more && (await parts.hasRecoveryCodes(db, user.id)),
    offerPasskey:
      byPassword &&
      earlier === undefined &&
      attempt.can_passkey &&
      enrollable.includes('passkey') &&
      // Who has only factors that are no longer allowed can't prove them first.
      (user.factors.length === 0 || factors.length > 0) &&
      parts.isPasskeyOfferDue(user),
  };
}

/** Codes go where somebody has proven to read them. */
function hasChannel(user: User, factor: SecondFactor): boolean {
  if (factor === 'sms') return user.phone_number !== null && user.phone_number_verified_at !== null;
  if (factor === 'email') return user.email !== null && user.email_verified_at !== null;
  return true;
}
