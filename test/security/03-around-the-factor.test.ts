import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { resetMfa } from '../../src/recovery/reset-mfa.ts';
import { signInAgo } from '../account/account.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import {
  baseOf,
  createOwner,
  giveTotp,
  type Owner,
  walk,
  walkOn,
} from '../support/second-factors.ts';
import { createVisitor, findForm, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let plainId: string;
/** An app that asks nobody for a second factor. */
let lenientId: string;

beforeAll(async () => {
  app = await startApp({ PASSKEY_OFFER_DAYS: '30' });
  plainId = (await app.createClient({ name: 'Plain' })).client.id;
  lenientId = (await app.createClient({ name: 'Lenient', metadata: { mfa: 'off' } })).client.id;
});
afterAll(() => app.stop());

const at = (clientId: string, params: Record<string, string> = {}) =>
  authorizationUrl(app, clientId, params);

/** Whoever has the password only, signed in to the app that asks for no more. */
async function thiefOf(
  owner: Owner,
  typed: Record<string, string> = {},
  visitor = createVisitor(),
) {
  const login = await visitor.open(at(lenientId));
  const fields = { identifier: owner.email, password: PASSWORD, ...typed };
  const page = await visitor.submit(login, '/login', fields, CALLBACK);
  return { visitor, page };
}

/** Where a request ends that may ask for nothing. */
async function silently(visitor: Visitor, params: Record<string, string> = {}): Promise<string> {
  const { url } = await visitor.open(at(plainId, { ...params, prompt: 'none' }), CALLBACK);
  return new URL(url).searchParams.get('error') ?? 'in';
}

test('security 3: no passkey is offered to who has a second factor and didn’t give it', async () => {
  const owner = await createOwner(app, ['totp']);
  const { visitor, page } = await thiefOf(owner, { passkeys: 'yes' });
  expect(page.url.startsWith(CALLBACK)).toBe(true);
  expect(await silently(visitor, { acr_values: 'phr' })).toBe('interaction_required');
  const newcomer = await thiefOf(await createOwner(app), { passkeys: 'yes' });
  expect(pageName(newcomer.page)).toBe('passkey-offer');
});

test('security 3: a session of an app that asks for less opens no page of the account', async () => {
  const owner = await createOwner(app, ['totp']);
  const { visitor } = await thiefOf(owner);
  for (const path of ['', '/sessions', '/password', '/passkeys', '/activity', '/data']) {
    expect(pageName(await visitor.open(`${app.issuer}/account${path}`))).toBe('totp');
  }
});

test('security 3: nor does one of before the factor, once it is older', async () => {
  const owner = await createOwner(app);
  const { visitor } = await thiefOf(owner);
  expect(pageName(await visitor.open(`${app.issuer}/account`))).toBe('account');
  await giveTotp(app, owner);
  await signInAgo(app, owner.user.id, 3600);
  expect(pageName(await visitor.open(`${app.issuer}/account`))).toBe('totp');
});

test('security 3: a session of long ago turns nothing on by a fresh password alone', async () => {
  const owner = await createOwner(app, ['totp']);
  const visitor = createVisitor();
  await walk(app, owner, visitor, at(plainId));
  await signInAgo(app, owner.user.id, 3600);
  const { pages } = await walk(app, owner, visitor, at(plainId, { acr_values: 'phr' }));
  expect(pages).toEqual(['password', 'totp', 'enrol-passkey', 'recovery-codes']);
});

test('security 8: a factor that was reset proves nothing where a sign-in waits', async () => {
  const owner = await createOwner(app);
  const visitor = createVisitor();
  const { end } = await walk(app, owner, visitor, at(plainId, { acr_values: 'phr' }), {
    until: ['recovery-codes'],
  });
  expect(pageName(end)).toBe('recovery-codes');
  const { deps, keyring } = app.runtime;
  const mailer = createMailer({ enabled: false, boxKeys: keyring.box });
  await transaction(deps.db, (trx) =>
    resetMfa(trx, { mailer, issuer: app.issuer }, SYSTEM, owner.user),
  );
  const next = await visitor.submit(end, '/recovery-codes', {}, CALLBACK);
  expect(pageName(next)).toBe('enrol-passkey');
  const left = await deps.db('recovery_codes').where({ user_id: owner.user.id });
  expect(left).toEqual([]);
});

test('security 8: recovery codes aren’t made for who has nothing yet that they stand in for', async () => {
  const owner = await createOwner(app);
  const { visitor } = await thiefOf(owner);
  const page = await visitor.open(`${app.issuer}/account/recovery-codes/new`);
  expect(page.html).toContain('Turn one on first');
  expect(() => visitor.submit(page, '/recovery-codes/new')).toThrow('no form');
});

test('security 4: a browser that gave the password alone has no count of wrong codes of its own', async () => {
  const owner = await createOwner(app, ['totp']);
  const wrong = async () => {
    // Each time a browser that is known by now.
    const { visitor } = await thiefOf(owner);
    const page = await visitor.open(at(plainId));
    return visitor.submit(page, '/totp', { code: '000000' });
  };
  for (let tries = 0; tries < 6; tries += 1) expect((await wrong()).html).toContain('not right');
  expect((await wrong()).html).toContain('Too many tries');
});

test('security 3: who came by mail or by a session doesn’t begin the recovery of lost factors', async () => {
  const waiting = await startApp({
    MFA_RECOVERY_DELAY_HOURS: '1',
    SMTP_URL: 'smtp://127.0.0.1:9',
  });
  try {
    const { client } = await waiting.createClient({ metadata: { mfa: 'off' } });
    const { client: plain } = await waiting.createClient();
    const owner = await createOwner(waiting, ['totp']);
    const visitor = createVisitor();
    await walk(waiting, owner, visitor, authorizationUrl(waiting, client.id));
    const stepUp = await visitor.open(authorizationUrl(waiting, plain.id));
    expect(pageName(await visitor.open(`${baseOf(stepUp)}/lost-factors`))).toBe('totp');
    const anew = createVisitor();
    const login = await anew.open(authorizationUrl(waiting, plain.id));
    const { end } = await walkOn(waiting, owner, anew, login, { until: ['totp'] });
    expect(pageName(await anew.open(`${baseOf(end)}/lost-factors`))).toBe('lost-factors');
  } finally {
    await waiting.stop();
  }
});

test('security 3: whoever signs in twice in one go is recorded twice', async () => {
  const [ada, bob] = [await createOwner(app), await createOwner(app)];
  const visitor = createVisitor();
  const login = await visitor.open(at(plainId));
  const { action, hidden } = findForm(login, '/login');
  for (const { email } of [ada, bob]) {
    const body = new URLSearchParams({ ...hidden, identifier: email, password: PASSWORD });
    const headers = { origin: new URL(app.issuer).origin };
    await visitor.request(action, { method: 'POST', body, headers });
  }
  const events = await app.runtime.deps
    .db('audit_events')
    .where({ type: 'sign_in.succeeded' })
    .whereIn('user_id', [ada.user.id, bob.user.id])
    .orderBy('id');
  expect(events.map(({ user_id }) => user_id)).toEqual([ada.user.id, bob.user.id]);
});

test('a factor that was reset can be proven anew in the same sign-in', async () => {
  const owner = await createOwner(app);
  const visitor = createVisitor();
  const { end } = await walk(app, owner, visitor, at(plainId, { acr_values: 'phr' }), {
    until: ['recovery-codes'],
  });
  const { db } = app.runtime.deps;
  await db('passkeys').where({ user_id: owner.user.id }).delete();
  const page = await visitor.open(baseOf(end));
  const { pages, end: done } = await walkOn(app, owner, visitor, page);
  expect(pages).toEqual(['enrol-passkey', 'recovery-codes']);
  expect(done.url.startsWith(CALLBACK)).toBe(true);
});
