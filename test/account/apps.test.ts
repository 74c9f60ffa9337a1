import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { assignApi, createApi } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  errorOf,
  type RelyingParty,
  type Tokens,
} from '../support/relying-party.ts';
import { findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

const API = 'https://api.example.com/';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await createApi(app, API, ['files:read', 'files:write']);
});
afterAll(() => app.stop());

let people = 0;

/** Somebody who is signed in at their account pages. */
async function newPerson(): Promise<{ user: User; visitor: Visitor }> {
  people += 1;
  const user = await app.createUser({ email: `person${people}@example.com` });
  const { visitor } = await openAccount(app, String(user.email), '/account/apps');
  return { user, visitor };
}

const openApps = (visitor: Visitor): Promise<Page> => visitor.open(`${app.issuer}/account/apps`);

/** Lets the person agree to what an app asks for, and gives it its tokens. */
async function connect(
  visitor: Visitor,
  party: RelyingParty,
  parameters: Record<string, string>,
): Promise<Tokens> {
  const request = await party.authorize(parameters);
  const page = await visitor.open(request.url, CALLBACK);
  const back =
    pageName(page) === 'consent' ? await visitor.submit(page, '/consent', {}, CALLBACK) : page;
  return request.redeem(back.url);
}

const revoke = (visitor: Visitor, page: Page): Promise<Page> =>
  visitor.submit(page, '/apps', {
    client: /name="client" value="([^"]+)"/.exec(page.html)?.[1] ?? '',
  });

test('a person without apps reads that there are none', async () => {
  const { visitor } = await newPerson();
  const page = await openApps(visitor);
  expect(pageName(page)).toBe('account-apps');
  expect(page.html).toContain('No app is connected');
});

describe('a connected app', () => {
  test('is shown with what it may see, in words, and since when', async () => {
    const party = await createRelyingParty(app, { name: 'Crunchy', firstParty: false });
    await assignApi(app, party.client, API);
    const { visitor } = await newPerson();
    await connect(visitor, party, { scope: 'openid email files:read', resource: API });
    const { html } = await openApps(visitor);
    for (const text of [
      'Crunchy',
      'Your email address',
      `API at ${API}`,
      'files:read',
      'Last used',
    ]) {
      expect(html).toContain(text);
    }
    expect(html).not.toContain('files:write');
    expect(html).not.toContain('Your profile');
    expect(html).toContain(String(new Date().getUTCFullYear()));
  });

  test('stays connected when the session is over that it was agreed to in', async () => {
    const party = await createRelyingParty(app, { name: 'Lasting', firstParty: false });
    const { user, visitor } = await newPerson();
    await connect(visitor, party, { scope: 'openid' });
    await visitor.submit(await openApps(visitor), '/sign-out');
    const { page } = await openAccount(app, String(user.email), '/account/apps');
    expect(page.html).toContain('Lasting');
  });

  test('of ours is shown too, the account pages are not', async () => {
    const party = await createRelyingParty(app, { name: 'Our own' });
    const { visitor } = await newPerson();
    await connect(visitor, party, { scope: 'openid profile' });
    const { html } = await openApps(visitor);
    expect(html).toContain('Our own');
    expect(html).toContain('one of ours');
    expect(html.match(/name="client"/g)).toHaveLength(1);
  });

  test('is nobody else’s', async () => {
    const party = await createRelyingParty(app, { name: 'Private', firstParty: false });
    const [one, other] = [await newPerson(), await newPerson()];
    await connect(one.visitor, party, { scope: 'openid' });
    expect((await openApps(other.visitor)).html).not.toContain('Private');
  });

  test('security 13: with a hostile name does nothing', async () => {
    const name = '"><script>alert(1)</script>\u202egnp.exe';
    const party = await createRelyingParty(app, { name, firstParty: false });
    const { visitor } = await newPerson();
    await connect(visitor, party, { scope: 'openid' });
    const { html } = await openApps(visitor);
    expect(html).toContain('&lt;script&gt;alert(1)');
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('\u202e');
  });

  test('that has no record any more is shown by its id', async () => {
    const { user, visitor } = await newPerson();
    const clientId = 'https://gone.example.com/client.json';
    await app.runtime.deps
      .db('consents')
      .insert({ user_id: user.id, client_id: clientId, scopes: ['openid'] });
    expect((await openApps(visitor)).html).toContain(clientId);
    expect((await revoke(visitor, await openApps(visitor))).html).toContain('No app is connected');
  });
});

describe('revoking', () => {
  test('ends the tokens of an app in every browser, and it has to ask again', async () => {
    const party = await createRelyingParty(app, { name: 'Revoked', firstParty: false });
    const stays = await createRelyingParty(app, { name: 'Stays', firstParty: false });
    const { user, visitor } = await newPerson();
    const other = await openAccount(app, String(user.email), '/account/apps');
    const kept = await connect(visitor, stays, {
      scope: 'openid offline_access',
      prompt: 'consent',
    });
    const lost = [
      await connect(visitor, party, { scope: 'openid offline_access', prompt: 'consent' }),
      await connect(other.visitor, party, { scope: 'openid offline_access', prompt: 'consent' }),
    ];
    const page = await openApps(visitor);
    const done = await visitor.submit(page, '/apps', { client: party.client.id });
    expect(done.url).toBe(`${app.issuer}/account/apps?done=app`);
    expect(done.html).not.toContain('Revoked');
    expect(done.html).toContain('Stays');
    for (const tokens of lost) {
      const refreshing = oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
      expect(await errorOf(refreshing)).toBe('invalid_grant');
      const told = await oidc.tokenIntrospection(party.config, tokens.access_token);
      expect(told).toEqual({ active: false });
    }
    const refreshed = oidc.refreshTokenGrant(stays.config, String(kept.refresh_token));
    await expect(refreshed).resolves.toBeDefined();
    const again = await party.authorize({ scope: 'openid' });
    expect(pageName(await visitor.open(again.url, CALLBACK))).toBe('consent');
    expect(await eventsOf(app, user.id)).toContain('consent.revoked');
  });

  test('security 34: sent ten times at once is one revocation', async () => {
    const party = await createRelyingParty(app, { firstParty: false });
    const { user, visitor } = await newPerson();
    await connect(visitor, party, { scope: 'openid' });
    const { action, hidden } = findForm(await openApps(visitor), '/apps');
    const body = () => new URLSearchParams({ ...hidden, client: party.client.id });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => visitor.request(action, { method: 'POST', body: body() })),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/account/apps?done=app');
    }
    const events = await eventsOf(app, user.id);
    expect(events.filter((type) => type === 'consent.revoked')).toHaveLength(1);
  });

  test('security 24: takes nothing from anybody else', async () => {
    const party = await createRelyingParty(app, { firstParty: false });
    const [mallory, victim] = [await newPerson(), await newPerson()];
    await connect(victim.visitor, party, { scope: 'openid' });
    const own = await createRelyingParty(app, { firstParty: false });
    await connect(mallory.visitor, own, { scope: 'openid' });
    const page = await openApps(mallory.visitor);
    await mallory.visitor.submit(page, '/apps', {
      client: party.client.id,
      user: victim.user.id,
      user_id: victim.user.id,
    });
    expect(await eventsOf(app, victim.user.id)).not.toContain('consent.revoked');
    expect(await eventsOf(app, mallory.user.id)).not.toContain('consent.revoked');
    expect((await openApps(victim.visitor)).html).toContain(party.client.id);
  });
});
