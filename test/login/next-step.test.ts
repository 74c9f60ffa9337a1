import { describe, expect, test } from 'vitest';
import { type LoginState, nextStep, type Person, type Proof } from '../../src/login/next-step.ts';
import type { OrganizationState } from '../../src/login/organization/state.ts';
import { AMR, type FactorName } from '../../src/mfa/acr.ts';

const ADA = '01980000-0000-7000-8000-00000000000a';
const BOB = '01980000-0000-7000-8000-00000000000b';
const ACR = { 1: 'urn:plinto:acr:1fa', 2: 'urn:plinto:acr:2fa', 3: 'phr' } as const;

const stranger: LoginState = {
  prompt: 'login',
  sessionUserId: undefined,
  earlier: undefined,
  otherAccount: false,
  proofs: [],
  person: undefined,
  asks: 0,
  step: undefined,
  asked: undefined,
  offers: new Set(),
};
const offering: LoginState = { ...stranger, offers: new Set(['register', 'reset-password']) };
const signedIn: LoginState = { ...stranger, sessionUserId: ADA };

const ada: Person = {
  id: ADA,
  required: 1,
  deviceTrusted: false,
  factors: [],
  enrollable: ['passkey', 'totp'],
  recoveryCodes: false,
  offerPasskey: false,
};
/** Who turned something on, which policy then asks for. */
const having = (factors: Person['factors'], more: Partial<Person> = {}): Person => ({
  ...ada,
  required: 2,
  factors,
  enrollable: (['passkey', 'totp'] as const).filter((factor) => !factors.includes(factor)),
  ...more,
});
const required: Person = { ...ada, required: 2 };
const withCodes = having(['totp'], { recoveryCodes: true });
const withAll = having(['passkey', 'totp', 'sms', 'email'], { recoveryCodes: true });

const proof = (factor: FactorName, at = 5, userId = ADA): Proof => ({
  userId,
  factor,
  amr: factor === 'passkey' ? ['swk', 'user'] : AMR[factor],
  at,
});
const proven = (person: Person, ...factors: (FactorName | Proof)[]): LoginState => ({
  ...stranger,
  person,
  proofs: factors.map((one, i) => (typeof one === 'string' ? proof(one, 5 + i) : one)),
});
/** Whose session is there, and isn't enough. */
const steppingUp = (person: Person, rank: 1 | 2 | 3, amr = ['pwd']): LoginState => ({
  ...stranger,
  sessionUserId: ADA,
  person,
  earlier: { userId: ADA, acr: ACR[rank], amr, at: 1 },
});
const LONG_AGO = { userId: ADA, acr: ACR[2], amr: ['pwd', 'otp', 'mfa'], at: 1, stale: true };
const temporary = { ...proof('password'), mustChange: '2026-11-24' };
const enrolled = (factor: FactorName, at = 6): Proof => ({ ...proof(factor, at), enrolled: true });

/** The page in short: its name, or how the sign-in ended. */
const outcomeOf = (state: LoginState): string => {
  const step = nextStep(state);
  if ('unmet' in step) return 'unmet';
  if (!('done' in step)) return step.page;
  const { acr, amr, ts } = step.done;
  return `${acr.replace('urn:plinto:acr:', '')} ${amr.join(' ')} @${ts}`;
};

const FIRST: [string, LoginState, string][] = [
  ['a stranger says who they are', stranger, 'login'],
  ['a person who is signed in proves it again', signedIn, 'password'],
  ['somebody else than them says who they are', { ...signedIn, otherAccount: true }, 'login'],
  ['a stranger asked for as somebody else too', { ...stranger, otherAccount: true }, 'login'],
  [
    'a link to a page that is offered leads there',
    { ...offering, asked: 'reset-password' },
    'reset-password',
  ],
  ['also for who is signed in', { ...offering, sessionUserId: ADA, asked: 'register' }, 'register'],
  ['a page that isn’t offered is the sign-in', { ...stranger, asked: 'register' }, 'login'],
  ['so is one that nobody knows', { ...offering, asked: 'constructor' }, 'login'],
  ['and one that others lead to', { ...offering, asked: 'verify-email' }, 'login'],
  ['and one of a second factor', { ...offering, asked: 'totp' }, 'login'],
  ['and one of turning it on', { ...offering, asked: 'enrol-mfa' }, 'login'],
  ['also as the page somebody was at', { ...offering, step: 'sms-code' }, 'login'],
  [
    'in the middle of something, it goes on there',
    { ...offering, step: 'verify-email' },
    'verify-email',
  ],
  [
    'by its own address too',
    { ...offering, step: 'verify-email', asked: 'verify-email' },
    'verify-email',
  ],
  ['or at another page', { ...offering, step: 'verify-email', asked: 'register' }, 'register'],
  ['or back at the sign-in', { ...offering, step: 'code', asked: 'login' }, 'login'],
  [
    'back at the password',
    { ...offering, sessionUserId: ADA, step: 'code', asked: 'login' },
    'password',
  ],
  ['a request for an account leads to the sign-up', { ...offering, prompt: 'create' }, 'register'],
  ['also who is signed in', { ...offering, prompt: 'create', sessionUserId: ADA }, 'register'],
  ['who may sign in instead', { ...offering, prompt: 'create', asked: 'login' }, 'login'],
  [
    'and is in the middle of it',
    { ...offering, prompt: 'create', step: 'verify-email' },
    'verify-email',
  ],
  ['a proof meets it', { ...proven(ada, 'password'), prompt: 'create' }, '1fa pwd @5'],
  ['consent is asked when it is due', { ...signedIn, prompt: 'consent' }, 'consent'],
  [
    'whatever page is asked for',
    { ...offering, prompt: 'consent', asked: 'register', step: 'code' },
    'consent',
  ],
  ['a proof doesn’t stand in for it', { ...proven(ada, 'password'), prompt: 'consent' }, 'consent'],
  [
    'proofs of who isn’t known any more are none',
    { ...proven(ada, 'password'), person: undefined },
    'login',
  ],
];

const ENOUGH: [string, LoginState, string][] = [
  ['a password is enough', proven(ada, 'password'), '1fa pwd @5'],
  ['so is a mailed code', proven(ada, 'email'), '1fa otp @5'],
  ['a passkey is two factors in one', proven(ada, 'passkey'), 'phr swk user mfa @5'],
  ['also of who needs two', proven(required, 'passkey'), 'phr swk user mfa @5'],
  ['password and app are two', proven(withCodes, 'password', 'totp'), '2fa pwd otp mfa @6'],
  ['password and text message', proven(having(['sms']), 'password', 'sms'), '2fa pwd sms mfa @6'],
  [
    'password and mailed code',
    proven(having(['email']), 'password', 'email'),
    '2fa pwd otp mfa @6',
  ],
  ['mailed code and app', proven(withCodes, 'email', 'totp'), '2fa otp mfa @6'],
  [
    'password and recovery code',
    proven(withCodes, 'password', 'recovery-code'),
    '2fa pwd otp mfa @6',
  ],
  [
    'the latest proof says when',
    proven(withCodes, proof('totp', 9), proof('password', 3)),
    '2fa pwd otp mfa @9',
  ],
  [
    'nothing that is asked for leads past that',
    { ...proven(ada, 'password'), offers: offering.offers, step: 'code', asked: 'register' },
    '1fa pwd @5',
  ],
  [
    'a trusted browser is enough for policy',
    proven({ ...withCodes, deviceTrusted: true }, 'password'),
    '1fa pwd @5',
  ],
  [
    'policy that asks for nothing asks for nothing',
    proven({ ...withAll, required: 1 }, 'password'),
    '1fa pwd @5',
  ],
];

const SECOND: [string, LoginState, string][] = [
  ['after the password comes the app', proven(withCodes, 'password'), 'totp'],
  ['after a mailed code too', proven(withCodes, 'email'), 'totp'],
  ['after both', proven(withCodes, 'email', 'password'), 'totp'],
  ['also of who needs one and has none', proven(required, 'password', 'email'), 'enrol-mfa'],
  ['a passkey before all others', proven(withAll, 'password'), 'passkey'],
  [
    'another they have, if they ask for it',
    { ...proven(withAll, 'password'), asked: 'sms-code' },
    'sms-code',
  ],
  [
    'or a recovery code',
    { ...proven(withAll, 'password'), asked: 'recovery-code' },
    'recovery-code',
  ],
  [
    'if they have some',
    { ...proven(having(['totp']), 'password'), asked: 'recovery-code' },
    'totp',
  ],
  [
    'or what is there for who lost them all, where the installation has that',
    { ...proven(having(['totp'], { mayRecover: true }), 'password'), asked: 'lost-factors' },
    'lost-factors',
  ],
  ['and only there', { ...proven(having(['totp']), 'password'), asked: 'lost-factors' }, 'totp'],
  ['never of its own accord', proven(having(['totp'], { mayRecover: true }), 'password'), 'totp'],
  [
    'nor for who has none to lose',
    { ...proven({ ...required, mayRecover: true }, 'password'), asked: 'lost-factors' },
    'enrol-mfa',
  ],
  [
    'nor before anything is proven',
    { ...stranger, asked: 'lost-factors', step: 'lost-factors' },
    'login',
  ],
  [
    'the one they are in the middle of',
    { ...proven(withAll, 'password'), step: 'mail-code' },
    'mail-code',
  ],
  [
    'unless they turn to another',
    { ...proven(withAll, 'password'), step: 'mail-code', asked: 'totp' },
    'totp',
  ],
  ['none that they don’t have', { ...proven(withCodes, 'password'), asked: 'passkey' }, 'totp'],
  [
    'nor the way to turn one on',
    { ...proven(withCodes, 'password'), asked: 'enrol-passkey' },
    'totp',
  ],
  ['nor the first page again', { ...proven(withCodes, 'password'), asked: 'login' }, 'totp'],
  [
    'nor a page that is offered to strangers',
    { ...proven(withCodes, 'password'), offers: offering.offers, asked: 'register' },
    'totp',
  ],
  ['a mailed code never after one', proven(having(['email', 'sms']), 'email'), 'sms-code'],
  [
    'not by its address either',
    { ...proven(having(['email', 'sms']), 'email'), asked: 'mail-code' },
    'sms-code',
  ],
  ['where there is nothing else, the password', proven(having(['email']), 'email'), 'login'],
  [
    'where there is nothing else, a recovery code',
    proven(having(['email'], { recoveryCodes: true }), 'email'),
    'recovery-code',
  ],
  ['the same factor twice is one', proven(withCodes, 'password', proof('password', 9)), 'totp'],
  ['a temporary password comes after the second factor', proven(withCodes, temporary), 'totp'],
  ['and then is changed', proven(withCodes, temporary, 'totp'), 'new-password'],
  ['also with one factor', proven(ada, temporary), 'new-password'],
  ['whatever page is asked for', { ...proven(ada, temporary), asked: 'login' }, 'new-password'],
];

const ENROL: [string, LoginState, string][] = [
  ['who has none and needs one turns one on', proven(required, 'password'), 'enrol-mfa'],
  ['of which they choose', { ...proven(required, 'password'), asked: 'enrol-totp' }, 'enrol-totp'],
  ['and go on with it', { ...proven(required, 'password'), step: 'enrol-totp' }, 'enrol-totp'],
  [
    'and may choose anew',
    { ...proven(required, 'password'), step: 'enrol-totp', asked: 'enrol-passkey' },
    'enrol-passkey',
  ],
  [
    'what isn’t allowed is no choice',
    { ...proven({ ...required, enrollable: ['passkey', 'totp'] }, 'password'), asked: 'sms-code' },
    'enrol-mfa',
  ],
  [
    'an only choice is none',
    proven({ ...required, enrollable: ['totp'] }, 'password'),
    'enrol-totp',
  ],
  [
    'mail is no choice for who came by it',
    { ...proven({ ...required, enrollable: ['totp', 'email'] }, 'email'), asked: 'mail-code' },
    'enrol-totp',
  ],
  ['nor is going back', { ...proven(required, 'password'), asked: 'login' }, 'enrol-mfa'],
  [
    'nor the page at the end',
    { ...proven(required, 'password'), asked: 'recovery-codes' },
    'enrol-mfa',
  ],
  [
    'where nothing can be turned on it is an error',
    proven({ ...required, enrollable: [] }, 'password'),
    'unmet',
  ],
  [
    'after it come recovery codes',
    proven(having(['totp']), 'password', enrolled('totp')),
    'recovery-codes',
  ],
  [
    'also after a passkey',
    proven(having(['passkey']), 'password', enrolled('passkey')),
    'recovery-codes',
  ],
  ['unless there are some', proven(withCodes, 'password', enrolled('totp')), '2fa pwd otp mfa @6'],
  [
    'a passkey is offered at the end',
    proven({ ...ada, offerPasskey: true }, 'password'),
    'passkey-offer',
  ],
  [
    'not before the second factor',
    proven({ ...withCodes, offerPasskey: true }, 'password'),
    'totp',
  ],
  [
    'nor before one that this app doesn’t ask for',
    proven({ ...withCodes, required: 1, offerPasskey: true }, 'password'),
    '1fa pwd @5',
  ],
  [
    'nor where a trusted browser stands in for it',
    proven({ ...withCodes, deviceTrusted: true, offerPasskey: true }, 'password'),
    '1fa pwd @5',
  ],
];

/** The same, with a session of long ago. */
const steppingUpLate = (person: Person, rank: 1 | 2 | 3): LoginState => {
  const state = steppingUp(person, rank);
  return { ...state, earlier: state.earlier && { ...state.earlier, stale: true } };
};

const STEP_UP: [string, LoginState, string][] = [
  ['who was signed in just now turns one on', { ...steppingUp(ada, 1), asks: 2 }, 'enrol-mfa'],
  ['who was long ago proves it first', { ...steppingUpLate(ada, 1), asks: 2 }, 'password'],
  [
    'whatever page they ask for',
    { ...steppingUpLate(ada, 1), asks: 2, asked: 'enrol-totp', step: 'enrol-totp' },
    'password',
  ],
  ['also before a passkey', { ...steppingUpLate(having(['totp']), 2), asks: 3 }, 'password'],
  [
    'and then turns one on',
    { ...steppingUpLate(ada, 1), asks: 2, proofs: [proof('password', 7)] },
    'enrol-mfa',
  ],
  ['but gives what they have at once', { ...steppingUpLate(withCodes, 1), asks: 2 }, 'totp'],
  [
    'a mailed code adds nothing where that is no second factor of theirs',
    { ...steppingUp(withCodes, 1), asks: 2, proofs: [proof('email', 7)] },
    'totp',
  ],
  [
    'nor a password to a sign-in by one',
    { ...steppingUp(withCodes, 1, ['otp']), asks: 2, proofs: [proof('password', 7)] },
    'totp',
  ],
  ['two factors asked of who has one session', { ...steppingUp(withCodes, 1), asks: 2 }, 'totp'],
  [
    'what is proven then adds up',
    { ...steppingUp(withCodes, 1), asks: 2, proofs: [proof('totp', 7)] },
    '2fa pwd otp mfa @1',
  ],
  ['a passkey asked of a password', { ...steppingUp(withAll, 1), asks: 3 }, 'passkey'],
  ['and of two factors', { ...steppingUp(withAll, 2, ['pwd', 'otp', 'mfa']), asks: 3 }, 'passkey'],
  ['is all that will do', { ...steppingUp(withAll, 2), asks: 3, asked: 'totp' }, 'passkey'],
  [
    'and adds up',
    { ...steppingUp(withAll, 1), asks: 3, proofs: [proof('passkey', 7)] },
    'phr pwd swk user mfa @7',
  ],
  [
    'who has none proves what they have first',
    { ...proven(withCodes, 'password'), asks: 3 },
    'totp',
  ],
  ['and then creates one', { ...proven(withCodes, 'password', 'totp'), asks: 3 }, 'enrol-passkey'],
  [
    'if that is allowed',
    { ...proven({ ...withCodes, enrollable: [] }, 'password', 'totp'), asks: 3 },
    'unmet',
  ],
  ['what nobody can meet is an error at once', { ...stranger, asks: undefined }, 'unmet'],
  ['also for who is signed in', { ...signedIn, asks: undefined }, 'unmet'],
  [
    'two factors asked of who has none turn one on',
    { ...proven(ada, 'password'), asks: 2 },
    'enrol-mfa',
  ],
  [
    'a trusted browser is no second factor then',
    { ...proven({ ...withCodes, deviceTrusted: true }, 'password'), asks: 2 },
    'totp',
  ],
  [
    'a session by mail isn’t stepped up by mail',
    { ...steppingUp(having(['email', 'totp']), 1, ['otp']), asks: 2 },
    'totp',
  ],
  ['one by password may be', { ...steppingUp(having(['email']), 1), asks: 2 }, 'mail-code'],
  ['policy that came later asks for more', steppingUp(required, 1), 'enrol-mfa'],
  ['what the session has may have come to be enough', steppingUp(ada, 1), '1fa pwd @1'],
  [
    'a session that says nothing of itself is none',
    { ...steppingUp(ada, 1), earlier: { userId: ADA, acr: undefined, amr: [], at: 1 } },
    'password',
  ],
  [
    'a session of long ago asks for the first factor before one is turned on',
    { ...steppingUp(withCodes, 2, ['pwd', 'otp', 'mfa']), asks: 3, earlier: LONG_AGO },
    'password',
  ],
  [
    'and for the second',
    {
      ...steppingUp(withCodes, 2, ['pwd', 'otp', 'mfa']),
      asks: 3,
      earlier: LONG_AGO,
      proofs: [proof('password')],
    },
    'totp',
  ],
  [
    'and then turns it on',
    {
      ...steppingUp(withCodes, 2, ['pwd', 'otp', 'mfa']),
      asks: 3,
      earlier: LONG_AGO,
      proofs: [proof('password'), proof('totp')],
    },
    'enrol-passkey',
  ],
];

const ACME = {
  outcome: 'in',
  id: 'acme',
  mfaRequired: false,
  methods: null,
  tooOld: false,
} as const;
type Acme = Partial<Extract<OrganizationState, { outcome: 'in' }>>;
/** A sign-in to an organization. */
const to = (state: LoginState, acme: Acme = {}): LoginState => ({
  ...state,
  organization: { ...ACME, ...acme },
});
const choosing = (state: LoginState): LoginState => ({
  ...state,
  organization: { outcome: 'choose' },
});
const refused = (state: LoginState, mayJoin = false): LoginState => ({
  ...state,
  organization: { outcome: 'refused', mayJoin },
});
const strict = { mfaRequired: true };
const mailing = { offers: new Set(['code']) };

const IN_ORGANIZATION: [string, LoginState, string][] = [
  ['nobody chooses before they are known', choosing(stranger), 'login'],
  ['nobody is refused before they are known', refused(signedIn), 'password'],
  ['who is known chooses', choosing(proven(ada, 'password')), 'choose-organization'],
  ['who is signed in chooses', choosing(steppingUp(ada, 1)), 'choose-organization'],
  ['nobody is asked to whom policy asks for more', choosing(proven(withCodes, 'password')), 'totp'],
  ['nobody joins on one factor of two', refused(proven(withCodes, 'password'), true), 'totp'],
  ['who may not sign in to it reads so', refused(proven(ada, 'password')), 'organization-refused'],
  ['who may join is asked to', refused(proven(ada, 'password'), true), 'join-organization'],
  [
    'an address doesn’t lead past that',
    { ...refused(steppingUp(ada, 1)), asked: 'login' },
    'organization-refused',
  ],
  ['one that asks for nothing more', to(proven(ada, 'password')), '1fa pwd @5'],
  ['a session is enough', to(steppingUp(ada, 1)), '1fa pwd @1'],
  [
    'two factors, of who has them',
    to(proven(having(['totp'], { required: 1 }), 'password'), strict),
    'totp',
  ],
  ['two factors, of who has none', to(proven(ada, 'password'), strict), 'enrol-mfa'],
  [
    'two factors, added to a session',
    to(steppingUp(having(['totp'], { required: 1 }), 1), strict),
    'totp',
  ],
  [
    'two factors, given',
    to(proven(having(['totp']), 'password', 'totp'), strict),
    '2fa pwd otp mfa @6',
  ],
  [
    'no browser stands in for one',
    to(proven(having(['totp'], { deviceTrusted: true }), 'password'), strict),
    'totp',
  ],
  ['a passkey is two', to(proven(having(['passkey']), 'passkey'), strict), 'phr swk user mfa @5'],
  [
    'where nobody could give two it can’t be',
    to(proven({ ...ada, enrollable: [] }, 'password'), strict),
    'unmet',
  ],
  [
    'a password that has to be changed is, after',
    to(proven(withCodes, temporary, 'totp'), strict),
    'new-password',
  ],
  ['a method that it takes', to(proven(ada, 'password'), { methods: ['password'] }), '1fa pwd @5'],
  ['a session by one', to(steppingUp(ada, 1), { methods: ['password', 'passkey'] }), '1fa pwd @1'],
  [
    'a passkey, of who has one',
    to(proven(having(['passkey'], { required: 1 }), 'password'), { methods: ['passkey'] }),
    'passkey',
  ],
  [
    'a passkey, of who has none',
    to(proven(ada, 'password'), { methods: ['passkey'] }),
    'enrol-passkey',
  ],
  [
    'a passkey that can’t be',
    to(proven({ ...ada, enrollable: [] }, 'password'), { methods: ['passkey'] }),
    'organization-refused',
  ],
  ['a password, of who came by mail', to(proven(ada, 'email'), { methods: ['password'] }), 'login'],
  [
    'a password, of a session by mail',
    to({ ...steppingUp(ada, 1, ['otp']) }, { methods: ['password'] }),
    'password',
  ],
  [
    'a password, which makes no second factor of a session new',
    to(
      { ...steppingUp(having(['passkey']), 3, ['swk', 'mfa']), proofs: [proof('password', 7)] },
      { methods: ['password'] },
    ),
    'phr pwd swk mfa @1',
  ],
  [
    'mail, of who gave a password',
    to({ ...proven(ada, 'password'), ...mailing }, { methods: ['email'] }),
    'code',
  ],
  [
    'mail, where there is none',
    to(proven(ada, 'password'), { methods: ['email'] }),
    'organization-refused',
  ],
  [
    'mail, which an authenticator app isn’t',
    to({ ...proven(having(['totp']), 'password', 'totp'), ...mailing }, { methods: ['email'] }),
    'code',
  ],
  [
    'the method before the second factor',
    to(proven(having(['passkey', 'totp'], { required: 1 }), 'password'), {
      ...strict,
      methods: ['passkey'],
    }),
    'passkey',
  ],
  ['a session from too long ago is as none', to(steppingUp(ada, 1), { tooOld: true }), 'password'],
  [
    'with the password it is new',
    to(
      { ...steppingUp(ada, 1), earlier: undefined, proofs: [proof('password')] },
      { tooOld: true },
    ),
    '1fa pwd @5',
  ],
  [
    'a second factor alone makes none new',
    to({ ...steppingUp(having(['totp']), 1), proofs: [proof('totp')] }, { tooOld: true }),
    'password',
  ],
];

describe('nextStep', () => {
  test.each([...FIRST, ...ENOUGH, ...SECOND, ...ENROL, ...STEP_UP])('%s', (_, state, expected) => {
    expect(outcomeOf(state)).toBe(expected);
  });

  test.each(IN_ORGANIZATION)('to an organization: %s', (_, state, expected) => {
    expect(outcomeOf(state)).toBe(expected);
  });

  test('says to which organization', () => {
    expect(nextStep(to(proven(ada, 'password')))).toMatchObject({
      done: { organizationId: 'acme' },
    });
    expect(nextStep(proven(ada, 'password'))).not.toHaveProperty('done.organizationId');
  });

  test('names the other pages that would do', () => {
    const step = nextStep({ ...proven(withAll, 'password'), asked: 'totp' });
    expect(step).toEqual({
      page: 'totp',
      userId: ADA,
      others: ['passkey', 'sms-code', 'mail-code', 'recovery-code'],
    });
  });

  test('says who is signed in', () => {
    const step = nextStep({ ...proven({ ...ada, id: BOB }, proof('password', 5, BOB)) });
    expect(step).toMatchObject({ done: { accountId: BOB } });
  });

  test('changes nothing it is handed', () => {
    const state = { ...proven(withCodes, 'password', 'totp') };
    const before = structuredClone(state);
    nextStep(state);
    expect(state).toEqual(before);
  });
});
