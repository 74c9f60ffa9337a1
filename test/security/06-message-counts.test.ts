import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { choosePassword, press } from '../recovery/recovery-app.ts';
import {
  forgetThrottles,
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
} from '../registration/registration-app.ts';
import { linkIn } from '../support/mailbox.ts';
import { alertText, createVisitor, findForm, type Page, pageName } from '../support/visitor.ts';

/** Addresses of subscribers: two of one, one of another, and all that a client may claim. */
const SAME_NETWORK = ['2001:db8:1:2::a', '2001:db8:1:2:ffff::b'];
const OTHER_NETWORK = '2001:db8:1:3::a';
const CLAIMS = '203.0.113.9, 2001:db8:ffff::1, ';

let app: RegistrationApp;
let count = 0;

beforeAll(async () => {
  app = await startRegistrationApp({ TRUST_PROXY: '1', EMAIL_SIGN_IN: 'true' });
  await app.createUser({ username: 'ada' });
});
beforeEach(() => forgetThrottles(app));
afterAll(() => app.stop());

/** A form that sends a mail to whom it names; gives the page after it. */
type Ask = (identifier: string, from?: string) => Promise<Page>;

const browser = (from: string) => createVisitor({ 'x-forwarded-for': from });

const ASKS: Record<string, Ask> = {
  'sign-up': async (identifier, from = SAME_NETWORK[0] ?? '') => {
    const visitor = browser(from);
    const page = await openSignUp(app, visitor);
    return visitor.submit(page, '/register', signUpForm(identifier));
  },
  'a reset': async (identifier, from = SAME_NETWORK[0] ?? '') => {
    const visitor = browser(from);
    const { url } = await openSignUp(app, visitor);
    const page = await visitor.open(url.replace(/\/register$/, '/reset-password'));
    return visitor.submit(page, '/reset-password', { identifier });
  },
  'a code': async (identifier, from = SAME_NETWORK[0] ?? '') => {
    const visitor = browser(from);
    const { url } = await openSignUp(app, visitor);
    const page = await visitor.open(url.replace(/\/register$/, '/login'));
    return press(visitor, page, '/login', 'email-code', { identifier });
  },
};
const NAMES = Object.keys(ASKS);
/** The page after each, if it was sent. */
const SENT = { 'sign-up': 'verify-email', 'a reset': 'reset-password-sent', 'a code': 'code' };

async function isSent(what: string, identifier: string, from?: string): Promise<boolean> {
  const page = await ASKS[what]?.(identifier, from);
  return page !== undefined && pageName(page) === SENT[what as keyof typeof SENT];
}

const newAddress = () => {
  count += 1;
  return `somebody${count}@example.com`;
};

/** Lets a count be used up; the keys are those of throttle.ts. */
async function useUp(scope: string, id: string): Promise<void> {
  const { db } = app.runtime.deps;
  const key = createHash('sha256').update(`${scope}\0${id}`).digest();
  const changed = await db('throttles')
    .where({ key })
    .update({ failures: 60, blocked_until: db.raw("now() + interval '1 hour'") });
  expect(changed).toBe(1);
}

test.each(NAMES)(
  'security 6: who asks for %s is counted by /64, whatever they claim',
  async (what) => {
    const [first = '', second = ''] = SAME_NETWORK;
    expect(await isSent(what, newAddress(), CLAIMS + first)).toBe(true);
    await useUp('address', '2001:db8:1:2::/64');
    expect(await isSent(what, newAddress(), first)).toBe(false);
    expect(await isSent(what, newAddress(), second)).toBe(false);
    expect(await isSent(what, newAddress(), `${OTHER_NETWORK}, ${second}`)).toBe(false);
    expect(await isSent(what, newAddress(), OTHER_NETWORK)).toBe(true);
  },
);

test.each(NAMES)('security 6: %s is counted by the mailbox, from anywhere', async (what) => {
  const address = newAddress();
  let sent = 0;
  for (let i = 1; i <= 9; i += 1) {
    const written = i % 2 === 0 ? address.toUpperCase() : address;
    if (await isSent(what, written, `2001:db8:${i}::1`)) sent += 1;
  }
  // Five, and one after which there is a delay.
  expect(sent).toBeLessThanOrEqual(6);
});

test('security 6: every spelling that the database takes for one address is counted as one', async () => {
  const owner = await app.createUser({ email: 'mimi.iii@example.com' });
  const before = app.mailbox.messages.length;
  let sent = 0;
  for (const [i, local] of [
    'mimi.iii',
    'mİmi.iii',
    'mimİ.iii',
    'MİMİ.iii',
    'mimi.İii',
    'mimi.iİi',
    'mimi.iiİ',
    'mimi.İİi',
    'mimi.iİİ',
  ].entries()) {
    if (await isSent('sign-up', `${local}@example.com`, `2001:db8:${i}::1`)) sent += 1;
  }
  expect(sent).toBeLessThanOrEqual(6);
  await app.mailbox.waitFor(String(owner.email), { after: before });
});

test.each([
  ['a reset', 'sign-up'],
  ['a code', 'sign-up'],
  ['sign-up', 'a reset'],
  ['sign-up', 'a code'],
])(
  'security 9: asking for %s until it is refused doesn’t tell by %s who has an account',
  async (first, then) => {
    const known = String((await app.createUser({ email: newAddress() })).email);
    const seen = [];
    for (const address of [known, newAddress()]) {
      await forgetThrottles(app);
      let tries = 0;
      while (tries < 12 && (await isSent(first, address))) tries += 1;
      seen.push([tries, await isSent(then, address)]);
    }
    expect(seen[1]).toEqual(seen[0]);
  },
);

test('security 6: a name that looks like what else is counted uses nothing of that up', async () => {
  const user = await app.createUser({ email: newAddress() });
  const victim = browser('2001:db8:9::1');
  await victim.open(`${app.issuer}/account/email`);
  for (const name of [`${user.id} change-email`, user.id, '+4915112345678']) {
    for (let i = 0; i < 8; i += 1) await isSent('a reset', name, `2001:db8:${i}::1`);
  }
  const login = await victim.open(`${app.issuer}/account/email`);
  const page = await victim.submit(login, '/login', {
    identifier: String(user.email),
    password: 'violet-kettle-orbits-42',
  });
  const next = await victim.submit(page, '/account/email', { email: newAddress() });
  expect(pageName(next)).toBe('account-email-code');
  expect(await isSent('a reset', String(user.email), '2001:db8:a::1')).toBe(true);
});

test('security 4: a link that was used is no way to try passwords', async () => {
  const user = await app.createUser({ email: newAddress() });
  const email = String(user.email);
  await isSent('a reset', email);
  const link = linkIn(await app.mailbox.waitFor(email));
  const visitor = createVisitor();
  const page = await visitor.open(link);
  const { action, hidden } = findForm(page, new URL(link).pathname);
  const right = 'copper-lantern-drifts-77';
  expect(pageName(await choosePassword(link, right))).toBe('reset-password-done');
  const guess = async (new_password: string) => {
    const body = new URLSearchParams({ ...hidden, new_password });
    return (await visitor.request(action, { method: 'POST', body })).status;
  };
  expect(await guess(right)).toBe(303);
  for (let i = 0; i < 13; i += 1) expect(await guess(`copper-lantern-drifts-${i}`)).toBe(400);
  expect(await guess(right)).toBe(400);
});

test('security 6: sign-ups are counted before their passwords cost anything', async () => {
  const visitor = browser(OTHER_NETWORK);
  const page = await openSignUp(app, visitor);
  const weak = { ...signUpForm('weak@example.com'), new_password: 'short' };
  let last = '';
  for (let i = 0; i < 55; i += 1)
    last = alertText(await visitor.submit(page, '/register', weak)) ?? '';
  expect(last).toContain('Too many');
});
