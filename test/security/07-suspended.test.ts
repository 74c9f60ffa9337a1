import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { activateUser, suspendUser } from '../../src/users/set-status.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials, postAs, redeem } from '../support/authorization.ts';
import { alertText, createVisitor, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
let user: User;
let credentials: Credentials;
let replica: { port: number };

beforeAll(async () => {
  app = await startApp();
  user = await app.createUser();
  await app.createUser({ email: 'eve@example.com' });
  credentials = await app.createClient();
  replica = await app.startReplica();
});
afterAll(() => app.stop());

type Held = { visitor: Visitor; code: string; access: string; refresh: string };

/** A signed-in browser, a code not yet redeemed, and the tokens of another. */
async function signInEverywhere(): Promise<Held> {
  const visitor = createVisitor();
  const scope = 'openid email offline_access';
  const first = await visitor.signIn(
    authorizationUrl(app, credentials.client.id, { scope }),
    CALLBACK,
  );
  const tokens = (await (await redeem(app, credentials, codeOf(first.url))).json()) as Record<
    string,
    string
  >;
  const second = await visitor.open(
    authorizationUrl(app, credentials.client.id, { scope }),
    CALLBACK,
  );
  return {
    visitor,
    code: codeOf(second.url),
    access: String(tokens.access_token),
    refresh: String(tokens.refresh_token),
  };
}

function codeOf(url: string): string {
  return new URL(url).searchParams.get('code') ?? '';
}

describe('security 7: a suspended user is refused everywhere at once', () => {
  let held: Held;

  beforeAll(async () => {
    held = await signInEverywhere();
    const { deps } = app.runtime;
    await transaction(deps.db, (trx) => suspendUser(trx, SYSTEM, user));
  });

  // Through both replicas: neither keeps anything of a user in memory.
  const through = () => [app.issuer, `http://localhost:${replica.port}`];

  test('security 7: userinfo', async () => {
    for (const base of through()) {
      const response = await fetch(`${base}/userinfo`, {
        headers: { authorization: `Bearer ${held.access}` },
      });
      expect(response.status).toBe(401);
    }
  });

  test('security 7: introspection', async () => {
    for (const base of through()) {
      for (const token of [held.access, held.refresh]) {
        const response = await postAs(`${base}/introspect`, credentials, { token });
        expect(await response.json()).toEqual({ active: false });
      }
    }
  });

  test('security 7: refresh', async () => {
    for (const base of through()) {
      const fields = { grant_type: 'refresh_token', refresh_token: held.refresh };
      const response = await postAs(`${base}/token`, credentials, fields);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: 'invalid_grant' });
    }
  });

  test('security 7: a code that was waiting', async () => {
    const response = await redeem(app, credentials, held.code);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_grant' });
  });

  test('security 7: single sign-on', async () => {
    const silent = authorizationUrl(app, credentials.client.id, { prompt: 'none' });
    const back = await held.visitor.open(silent, CALLBACK);
    expect(back.url).toContain('error=login_required');
    const page = await held.visitor.open(authorizationUrl(app, credentials.client.id), CALLBACK);
    expect(pageName(page)).toBe('login');
  });

  test('security 7: sign-in with the right password, in words that don’t tell', async () => {
    const url = authorizationUrl(app, credentials.client.id);
    const refused = await createVisitor().signIn(url, CALLBACK);
    const wrong = await createVisitor().signIn(url, CALLBACK, {
      identifier: 'eve@example.com',
      password: 'not-her-password-at-all',
    });
    expect(pageName(refused)).toBe('login');
    expect(alertText(refused)).toBe(alertText(wrong));
    const events = await app.runtime.deps
      .db('audit_events')
      .where({ type: 'sign_in.failed', user_id: user.id });
    expect(events.map((e) => e.data.reason)).toContain('suspended');
  });

  test('security 7: nothing comes back by itself when the user is active again', async () => {
    const { deps } = app.runtime;
    await transaction(deps.db, (trx) => activateUser(trx, SYSTEM, user));
    const response = await fetch(`${app.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${held.access}` },
    });
    expect(response.status).toBe(401);
    const back = await createVisitor().signIn(
      authorizationUrl(app, credentials.client.id),
      CALLBACK,
    );
    expect(back.url).toContain('code=');
  });

  test('security 7: a status changed behind our back counts at once too', async () => {
    const again = await signInEverywhere();
    await app.runtime.deps.db('users').where({ id: user.id }).update({ status: 'deactivated' });
    const response = await fetch(`${app.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${again.access}` },
    });
    expect(response.status).toBe(401);
    const introspected = await postAs(`${app.issuer}/introspect`, credentials, {
      token: again.refresh,
    });
    expect(await introspected.json()).toEqual({ active: false });
    await app.runtime.deps.db('users').where({ id: user.id }).update({ status: 'active' });
  });
});

describe('security 19: ending something ends its tokens', () => {
  test('security 19: deleting a user', async () => {
    const gone = await app.createUser({ email: 'gone@example.com' });
    const back = await createVisitor().signIn(
      authorizationUrl(app, credentials.client.id),
      CALLBACK,
      {
        identifier: 'gone@example.com',
      },
    );
    const tokens = (await (await redeem(app, credentials, codeOf(back.url))).json()) as Record<
      string,
      string
    >;
    await app.runtime.deps.db('users').where({ id: gone.id }).delete();
    const response = await fetch(`${app.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(response.status).toBe(401);
  });

  test('security 19: deleting a client, on every replica', async () => {
    const doomed = await app.createClient();
    const back = await createVisitor().signIn(authorizationUrl(app, doomed.client.id), CALLBACK);
    const tokens = (await (await redeem(app, doomed, codeOf(back.url))).json()) as Record<
      string,
      string
    >;
    await app.runtime.deps.db('clients').where({ id: doomed.client.id }).delete();
    for (const base of [app.issuer, `http://localhost:${replica.port}`]) {
      const response = await fetch(`${base}/userinfo`, {
        headers: { authorization: `Bearer ${tokens.access_token}` },
      });
      expect(response.status).toBe(401);
    }
  });
});
