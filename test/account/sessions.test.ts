import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { deleteExpired } from '../../src/oidc-state/cleanup.ts';
import { endSession, endUserState, markSessionEnded } from '../../src/oidc-state/end.ts';
import { setPassword } from '../../src/password/set-password.ts';
import type { User } from '../../src/users/store.ts';
import { adapterOn } from '../storage/storage.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createRelyingParty, errorOf, receiveLogouts } from '../support/relying-party.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { openAccount } from './account.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15';

let app: TestApp;
let replica: { port: number };

beforeAll(async () => {
  app = await startApp({ PLACE_HEADER: 'X-Place' });
  replica = await app.startReplica();
});
afterAll(() => app.stop());

let people = 0;
const newPerson = (): Promise<User> => {
  people += 1;
  return app.createUser({ email: `person${people}@example.com` });
};

/** A browser in which the person is signed in. */
async function browserOf(user: User, headers: Record<string, string> = {}): Promise<Visitor> {
  const visitor = createVisitor(headers);
  const login = await visitor.open(`${app.issuer}/account/sessions`);
  await visitor.submit(login, '/login', { identifier: String(user.email), password: PASSWORD });
  return visitor;
}

const openSessions = (visitor: Visitor): Promise<Page> =>
  visitor.open(`${app.issuer}/account/sessions`);

/** What the list calls the sessions that can be ended. */
const namesIn = (page: Page): string[] =>
  [...page.html.matchAll(/name="session" value="([^"]+)"/g)]
    .map(([, id = '']) => id)
    .filter((id) => id !== 'others');

const end = (visitor: Visitor, page: Page, session: string): Promise<Response> => {
  const { action, hidden } = findForm(page, '/sessions');
  return visitor.request(action, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, session }),
  });
};

const sessionsOf = (user: User) =>
  app.runtime.deps.db('oidc_sessions').where({ account_id: user.id });

describe('the list of sessions', () => {
  test('says browser, system, place and address of each, this one first', async () => {
    const user = await newPerson();
    await browserOf(user, { 'user-agent': SAFARI, 'x-place': 'Lisbon <b>' });
    const page = await openSessions(await browserOf(user, { 'user-agent': FIREFOX }));
    expect(pageName(page)).toBe('account-sessions');
    expect(page.html).toContain('Lisbon &lt;b&gt;');
    expect(page.html).toContain('Safari');
    expect(page.html).toContain('macOS');
    expect(page.html.indexOf('Firefox')).toBeLessThan(page.html.indexOf('This browser'));
    expect(page.html.indexOf('This browser')).toBeLessThan(page.html.indexOf('Safari'));
    expect(page.html.match(/This browser/g)).toHaveLength(1);
    expect(page.html).toContain('127.0.0.1');
    expect(namesIn(page)).toHaveLength(1);
  });

  test('says times where the person is, in their language', async () => {
    const user = await newPerson();
    const { db } = app.runtime.deps;
    await db('users').where({ id: user.id }).update({ locale: 'de', zoneinfo: 'Asia/Kathmandu' });
    const visitor = await browserOf(user);
    await db('sign_ins')
      .where({ user_id: user.id })
      .update({ signed_in_at: '2026-03-01T12:00:00Z' });
    expect((await openSessions(visitor)).html).toContain('1. März 2026, 17:45');
    await db('users').where({ id: user.id }).update({ locale: 'en', zoneinfo: 'No/Where' });
    expect((await openSessions(visitor)).html).toContain('Mar 1, 2026, 12:00 PM UTC');
  });

  test('shows nobody else’s, and no id that is stored anywhere', async () => {
    const [one, other] = [await newPerson(), await newPerson()];
    await browserOf(other, { 'user-agent': SAFARI });
    const page = await openSessions(await browserOf(one));
    expect(page.html).not.toContain('Safari');
    for (const { uid, id } of await app.runtime.deps.db('oidc_sessions')) {
      for (const secret of [uid, id.toString('base64url'), id.toString('hex')]) {
        expect(page.html).not.toContain(secret);
      }
    }
  });
});

describe('ending a session', () => {
  test('signs out the app that listens, kills its refresh token, and leaves the others', async () => {
    const user = await newPerson();
    const identifier = String(user.email);
    const receiver = await receiveLogouts();
    const party = await createRelyingParty(app, {
      metadata: {
        backchannel_logout_uri: receiver.url,
        backchannel_logout_session_required: true,
      },
    });
    const scope = { scope: 'openid offline_access' };
    const [here, there] = [createVisitor(), createVisitor({ 'user-agent': SAFARI })];
    const kept = await party.signIn(scope, { visitor: here, identifier });
    const lost = await party.signIn(scope, { visitor: there, identifier });

    const page = await openSessions(here);
    const [name = ''] = namesIn(page);
    const answer = await end(here, page, name);
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/account/sessions?done=session');

    const token = await vi.waitFor(
      () => {
        expect(receiver.tokens).toHaveLength(1);
        return String(receiver.tokens[0]);
      },
      { timeout: 25_000, interval: 50 },
    );
    const keys = createRemoteJWKSet(new URL(`${app.issuer}/jwks`));
    const { payload } = await jwtVerify(token, keys, {
      issuer: app.issuer,
      audience: party.client.id,
      typ: 'logout+jwt',
    });
    expect(payload).toMatchObject({ sub: user.id, sid: lost.claims()?.sid });
    await receiver.close();

    const refreshing = oidc.refreshTokenGrant(party.config, String(lost.refresh_token));
    expect(await errorOf(refreshing)).toBe('invalid_grant');
    expect(await oidc.tokenIntrospection(party.config, lost.access_token)).toEqual({
      active: false,
    });
    expect(pageName(await openSessions(there))).toBe('login');
    await expect(
      oidc.refreshTokenGrant(party.config, String(kept.refresh_token)),
    ).resolves.toMatchObject({ token_type: 'bearer' });
    expect(namesIn(await openSessions(here))).toEqual([]);
    const events = app.runtime.deps.db('audit_events');
    expect(await events.where({ type: 'session.ended', user_id: user.id })).toMatchObject([
      { actor: `user:${user.id}` },
    ]);
  });

  test('ends all others at once', async () => {
    const user = await newPerson();
    const others = [await browserOf(user), await browserOf(user)];
    const here = await browserOf(user);
    const answer = await end(here, await openSessions(here), 'others');
    expect(answer.headers.get('location')).toBe('/account/sessions?done=sessions');
    for (const other of others) expect(pageName(await openSessions(other))).toBe('login');
    expect(pageName(await openSessions(here))).toBe('account-sessions');
    expect(await sessionsOf(user)).toHaveLength(1);
  });

  test('security 34: the form sent ten times at once, over two replicas, ends it once', async () => {
    const user = await newPerson();
    await browserOf(user);
    const here = await browserOf(user);
    const page = await openSessions(here);
    const [name = ''] = namesIn(page);
    const { action, hidden } = findForm(page, '/sessions');
    const cookie = await here.jar.getCookieString(action);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => {
        const url = new URL(action);
        if (i % 2 === 1) url.port = String(replica.port);
        const body = new URLSearchParams({ ...hidden, session: name });
        return fetch(url, { method: 'POST', body, headers: { cookie }, redirect: 'manual' });
      }),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/account/sessions?done=session');
    }
    const events = app.runtime.deps.db('audit_events');
    expect(await events.where({ type: 'session.ended', user_id: user.id })).toHaveLength(1);
  });

  test.each(['', 'nonsense', '<b>'])('security 24: %j names no session', async (name) => {
    const here = await browserOf(await newPerson());
    await browserOf(await newPerson());
    const page = await openSessions(here);
    const action = `${app.issuer}/account/sessions`;
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    const body = new URLSearchParams({ csrf, session: name });
    expect((await here.request(action, { method: 'POST', body })).status).toBe(404);
  });

  test('security 24: another person’s session is not found, and lives on', async () => {
    const [mallory, victim] = [await newPerson(), await newPerson()];
    const theirs = await browserOf(victim);
    await browserOf(victim);
    const [name = ''] = namesIn(await openSessions(theirs));
    const here = await browserOf(mallory);
    await browserOf(mallory);
    expect((await end(here, await openSessions(here), name)).status).toBe(404);
    const [row] = await sessionsOf(victim);
    expect((await end(here, await openSessions(here), row.uid)).status).toBe(404);
    expect(await sessionsOf(victim)).toHaveLength(2);
  });

  test('security 10: another site’s form ends nothing', async () => {
    const user = await newPerson();
    await browserOf(user);
    const here = await browserOf(user);
    const page = await openSessions(here);
    const { action, hidden } = findForm(page, '/sessions');
    const refused = await here.request(action, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, session: 'others' }),
      headers: { origin: 'https://elsewhere.example' },
    });
    expect(refused.status).toBe(403);
    expect(await sessionsOf(user)).toHaveLength(2);
  });
});

describe('a session that was ended', () => {
  test('is not brought back by a request that had found it before', async () => {
    const user = await newPerson();
    await browserOf(user);
    const [session] = await sessionsOf(user);
    const { db } = app.runtime.deps;
    await transaction(db, (trx) => endSession(trx, session.uid));
    const payload = { ...session.payload, jti: 'a-new-id', kind: 'Session' };
    await expect(adapterOn(db)('Session').upsert('a-new-id', payload, 3600)).rejects.toThrow();
    expect(await sessionsOf(user)).toEqual([]);
  });

  test('is not left over where a request stored it between its end and the mark', async () => {
    const user = await newPerson();
    await browserOf(user);
    const [session] = await sessionsOf(user);
    const { db } = app.runtime.deps;
    await db('oidc_sessions').where({ uid: session.uid }).delete();
    const payload = { ...session.payload, jti: 'a-late-id', kind: 'Session' };
    await adapterOn(db)('Session').upsert('a-late-id', payload, 3600);
    expect(await sessionsOf(user)).toHaveLength(1);
    expect(await transaction(db, (trx) => markSessionEnded(trx, session.uid))).toBe(true);
    expect(await sessionsOf(user)).toEqual([]);
  });

  test('takes nothing from the one that is kept when all others are ended', async () => {
    const user = await newPerson();
    const identifier = String(user.email);
    const metadata = { backchannel_logout_session_required: true };
    const party = await createRelyingParty(app, {
      metadata: { ...metadata, backchannel_logout_uri: 'http://127.0.0.1:9/logout' },
    });
    const [kept, lost] = [createVisitor(), createVisitor()];
    const scope = { scope: 'openid offline_access' };
    const stays = await party.signIn(scope, { visitor: kept, identifier });
    const goes = await party.signIn(scope, { visitor: lost, identifier });
    const { db } = app.runtime.deps;
    const { uid: except } = (await sessionsOf(user)).find(
      ({ payload }) => payload.authorizations[party.client.id].sid === stays.claims()?.sid,
    );
    await transaction(db, (trx) => endUserState(trx, user.id, { except }));
    expect(pageName(await openSessions(kept))).toBe('account-sessions');
    expect(pageName(await openSessions(lost))).toBe('login');
    await expect(
      oidc.refreshTokenGrant(party.config, String(stays.refresh_token)),
    ).resolves.toBeDefined();
    const refused = oidc.refreshTokenGrant(party.config, String(goes.refresh_token));
    expect(await errorOf(refused)).toBe('invalid_grant');
  });
});

test('a sign-in with a password that was replaced meanwhile is none', async () => {
  const user = await newPerson();
  const { client } = await app.createClient();
  const visitor = createVisitor();
  const login = await visitor.open(authorizationUrl(app, client.id));
  const { action, hidden } = findForm(login, '/login');
  const fields = { identifier: String(user.email), password: PASSWORD };
  const answer = await visitor.request(action, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, ...fields }),
  });
  const onward = String(answer.headers.get('location'));
  const hash = (await app.runtime.deps.db('passwords').where({ user_id: user.id }).first()).hash;
  await transaction(app.runtime.deps.db, (trx) => setPassword(trx, SYSTEM, user, { hash }));
  expect(pageName(await visitor.open(onward, CALLBACK))).toBe('login');
  expect(await sessionsOf(user)).toEqual([]);
  const back = await visitor.signIn(authorizationUrl(app, client.id), CALLBACK, fields);
  expect(back.url).toContain('code=');
});

describe('limits', () => {
  const age = async (user: User, seconds: number) => {
    const { db } = app.runtime.deps;
    for (const row of await sessionsOf(user)) {
      const payload = { ...row.payload, loginTs: row.payload.loginTs - seconds };
      await db('oidc_sessions').where({ id: row.id }).update({ payload });
    }
  };
  const lastUsed = async (user: User, secondsAgo: number) => {
    const { db } = app.runtime.deps;
    for (const row of await sessionsOf(user)) {
      const exp = Math.floor(Date.now() / 1000) + app.config.ttl.sessionIdle - secondsAgo;
      await db('oidc_sessions')
        .where({ id: row.id })
        .update({
          payload: { ...row.payload, exp },
          expires_at: db.raw('to_timestamp(?)', [exp]),
        });
    }
  };

  test('use of the account pages keeps a session from idling out', async () => {
    const user = await newPerson();
    const visitor = await browserOf(user);
    await lastUsed(user, app.config.ttl.sessionIdle - 30);
    expect(pageName(await openSessions(visitor))).toBe('account-sessions');
    const [row] = await sessionsOf(user);
    const left = row.expires_at.getTime() / 1000 - Date.now() / 1000;
    expect(left).toBeGreaterThan(app.config.ttl.sessionIdle - 60);
  });

  test('a session that nobody used is over', async () => {
    const user = await newPerson();
    const visitor = await browserOf(user);
    await lastUsed(user, app.config.ttl.sessionIdle + 60);
    expect(pageName(await openSessions(visitor))).toBe('login');
  });

  test('a session is over in the end, however much it is used', async () => {
    const user = await newPerson();
    const visitor = await browserOf(user);
    await age(user, app.config.ttl.session - 1000);
    await lastUsed(user, app.config.ttl.sessionIdle - 100);
    expect(pageName(await openSessions(visitor))).toBe('account-sessions');
    const [row] = await sessionsOf(user);
    const left = row.expires_at.getTime() / 1000 - Date.now() / 1000;
    expect(left).toBeGreaterThan(100);
    expect(left).toBeLessThanOrEqual(1000);
  });

  test('what is known of sessions that are gone is forgotten', async () => {
    const user = await newPerson();
    await browserOf(user);
    const { db } = app.runtime.deps;
    const ago = (hours: number) => db.raw('now() - make_interval(hours => ?)', [hours]);
    const known = () => db('sign_ins').where({ user_id: user.id });
    await known().update({ last_seen_at: ago(100) });
    await deleteExpired(db);
    expect(await known()).toHaveLength(1);
    const [session] = await sessionsOf(user);
    await transaction(db, (trx) => endSession(trx, session.uid));
    await deleteExpired(db);
    expect(await known()).toHaveLength(1);
    await known().update({ ended_at: ago(2) });
    await deleteExpired(db);
    expect(await known()).toEqual([]);
  });
});

test('an app that is used again is seen in the list with the browser’s new address', async () => {
  const user = await newPerson();
  const { client } = await app.createClient();
  const visitor = await browserOf(user, { 'x-place': 'Porto' });
  const { db } = app.runtime.deps;
  await db('sign_ins')
    .where({ user_id: user.id })
    .update({ ip: '192.0.2.1', place: 'Faro', last_seen_at: '2026-01-01' });
  await visitor.open(authorizationUrl(app, client.id), CALLBACK);
  const [row] = await db('sign_ins').where({ user_id: user.id });
  expect(row).toMatchObject({ ip: '127.0.0.1', place: 'Porto', amr: ['pwd'] });
  expect(Date.now() - row.last_seen_at.getTime()).toBeLessThan(600_000);
});

test('the account pages need no fresh sign-in to end sessions', async () => {
  const user = await newPerson();
  const { visitor } = await openAccount(app, String(user.email));
  await browserOf(user);
  const { db } = app.runtime.deps;
  for (const row of await sessionsOf(user)) {
    const payload = { ...row.payload, loginTs: row.payload.loginTs - 3600 };
    await db('oidc_sessions').where({ id: row.id }).update({ payload });
  }
  expect((await end(visitor, await openSessions(visitor), 'others')).status).toBe(303);
  expect(await sessionsOf(user)).toHaveLength(1);
});
