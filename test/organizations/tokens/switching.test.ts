import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Organization } from '../../../src/organizations/store.ts';
import { CALLBACK, startApp, type TestApp } from '../../support/app.ts';
import { authorizationUrl, type Credentials, callbackParams } from '../../support/authorization.ts';
import {
  createRelyingParty,
  type LogoutReceiver,
  type RelyingParty,
  receiveLogouts,
} from '../../support/relying-party.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../../support/visitor.ts';
import {
  type Answer,
  answerTo,
  authorize,
  endOf,
  enter,
  introspect,
  join,
  makeOrganization,
  type Person,
  refresh,
  signedIn,
  slugIn,
  userinfo,
} from './tokens-app.ts';

const OFFLINE = 'openid offline_access';
/** What each tab is in: two organizations, and none. */
const TABS = ['acme', 'beta', undefined] as const;
type Tab = (typeof TABS)[number];

let app: TestApp;
let replica: { port: number };
let party: RelyingParty;
let other: RelyingParty;
let web: Credentials;
let receiver: LogoutReceiver;
let acme: Organization;
let beta: Organization;

beforeAll(async () => {
  app = await startApp();
  [replica, receiver] = await Promise.all([app.startReplica(), receiveLogouts()]);
  const metadata = { backchannel_logout_uri: receiver.url };
  party = await createRelyingParty(app, { metadata });
  other = await createRelyingParty(app);
  web = { client: party.client, secret: party.secret };
  const [ada, bob] = [await signedIn(app, web, 'ada'), await signedIn(app, web, 'bob')];
  acme = await makeOrganization(app, 'acme', ada);
  beta = await makeOrganization(app, 'beta', bob);
});
afterAll(async () => {
  await app.stop();
  await receiver.close();
});

let people = 0;

/** Somebody new who owns nothing in acme and is an admin in beta, signed in to a browser of theirs. */
async function somebody(): Promise<Person> {
  people += 1;
  const person = await signedIn(app, web, `person${people}`);
  await join(app, acme, person, 'member');
  await join(app, beta, person, 'admin', 'member');
  return person;
}

const ROLES = { acme: ['member'], beta: ['admin', 'member'] };

/** What claims say of an organization, next to what they are to say in a tab. */
function expectTab(claims: Record<string, unknown>, tab: Tab): void {
  const { org_id, org_slug, org_name, org_roles } = claims;
  const { id, name } = (
    tab === 'acme' ? acme : tab === 'beta' ? beta : {}
  ) as Partial<Organization>;
  expect({ org_id, org_slug, org_name, org_roles }).toEqual({
    org_id: id,
    org_slug: tab,
    org_name: name,
    org_roles: tab && ROLES[tab],
  });
}

/** The same app at its second server. */
const elsewhere = () => ({ ...app, issuer: `http://localhost:${replica.port}` });

const open = async (person: Person, scope = 'openid', client = web): Promise<Answer[]> => {
  const answers: Answer[] = [];
  for (const organization of TABS)
    answers.push(await enter(app, person, client, { scope, organization }));
  return answers;
};

const activeOf = async (answers: Answer[], client = web) =>
  Promise.all(answers.map(async (one) => (await introspect(app, client, one.access_token)).active));

async function signOut(visitor: Visitor, { config }: RelyingParty, everywhere: boolean) {
  const page = await visitor.open(oidc.buildEndSessionUrl(config).href);
  const done = await visitor.submit(page, '/logout/confirm', everywhere ? { logout: 'yes' } : {});
  expect(pageName(done)).toBe(everywhere ? 'signed-out' : 'still-signed-in');
}

/** Logout tokens that the client got about somebody, once nothing more is under way to it. */
async function toldOf({ user }: Person): Promise<number> {
  await vi.waitFor(
    async () => {
      const { rows } = await app.runtime.deps.db.raw(
        `SELECT FROM graphile_worker._private_jobs WHERE payload->>'clientId' = ?`,
        [party.client.id],
      );
      expect(rows).toEqual([]);
    },
    { timeout: 25_000, interval: 50 },
  );
  return receiver.tokens.filter((token) => decodeJwt(token).sub === user.id).length;
}

test('tabs in two organizations and in none have a grant and a refresh token each', async () => {
  const person = await somebody();
  const tokens = [];
  for (const organization of TABS) {
    const parameters = { scope: OFFLINE, ...(organization && { organization }) };
    tokens.push(await party.signIn(parameters, { visitor: person.visitor }));
  }
  for (const [i, token] of tokens.entries()) {
    expectTab({ ...token.claims() }, TABS[i]);
    const told = await oidc.fetchUserInfo(party.config, token.access_token, person.user.id);
    expectTab(told, TABS[i]);
    const again = await oidc.refreshTokenGrant(party.config, String(token.refresh_token));
    expectTab({ ...again.claims() }, TABS[i]);
  }
  const grants = await app.runtime.deps
    .db('oidc_grants')
    .where({ account_id: person.user.id })
    .whereRaw('expires_at > now()')
    .pluck('organization_id');
  expect(grants.toSorted()).toEqual([acme.id, beta.id, null].toSorted());
  expect(new Set(tokens.map(({ refresh_token }) => refresh_token)).size).toBe(3);
});

test('500 refreshes of tabs that take turns at two servers never tell of another tab', async () => {
  const person = await somebody();
  const chains = await open(person, OFFLINE);
  chains.push(...(await open(person, OFFLINE)).slice(0, 2));
  let refreshes = 0;
  await Promise.all(
    chains.map(async (first, i) => {
      let last = first;
      const tab = TABS[i % 3];
      for (let turn = 0; turn < 100; turn += 1) {
        const server = (turn + i) % 2 === 0 ? app : elsewhere();
        const next = await refresh(server, web, last);
        expect(next.error).toBeUndefined();
        expectTab(decodeJwt(String(next.id_token)), tab);
        if (turn % 10 === 0) expectTab((await userinfo(server, next)).claims, tab);
        last = next;
        refreshes += 1;
      }
      expectTab(await introspect(app, web, last.access_token), tab);
    }),
  );
  expect(refreshes).toBe(500);
}, 60_000);

test('tokens that live with the session stay good while tabs take turns', async () => {
  const person = await somebody();
  const answers = [...(await open(person)), ...(await open(person)).toReversed()];
  expect(answers.every(({ refresh_token }) => refresh_token === undefined)).toBe(true);
  for (const [i, answer] of answers.entries()) {
    const tab = [...TABS, ...TABS.toReversed()][i];
    const { status, claims } = await userinfo(i % 2 === 0 ? app : elsewhere(), answer);
    expect(status).toBe(200);
    expectTab(claims, tab);
  }
});

test.each([
  ['openid', 'that live with the session'],
  [OFFLINE, 'that outlive it'],
])('tabs that ask at once for %s, tokens %s, get their own, good ones', async (scope) => {
  const person = await somebody();
  const asked = Array.from({ length: 12 }, (_, i) => TABS[i % 3]);
  const ask = (organization: Tab, i: number) => {
    const server = i % 2 === 0 ? app : elsewhere();
    return person.visitor.open(
      authorizationUrl(server, party.client.id, { scope, organization }),
      CALLBACK,
    );
  };
  // Nothing was granted before; then, all was.
  const pages = await Promise.all(TABS.map(ask));
  pages.push(...(await Promise.all(asked.map(ask))));
  const answers = await Promise.all(
    pages.map((page, i) => answerTo(i % 2 === 0 ? elsewhere() : app, web, page)),
  );
  for (const [i, answer] of answers.entries()) {
    expectTab(decodeJwt(String(answer.id_token)), TABS[i % 3]);
    const { status, claims } = await userinfo(app, answer);
    expect(status).toBe(200);
    expectTab(claims, TABS[i % 3]);
  }
});

describe('tabs that are asked to choose at the same time', () => {
  const askIn = async (person: Person) => {
    const pages: Page[] = [];
    for (const state of ['acme', 'beta']) {
      pages.push(await authorize(app, person, web, { organization: '*', scope: 'openid', state }));
    }
    expect(pages.map(endOf)).toEqual(['page choose-organization', 'page choose-organization']);
    return pages;
  };
  const choose = ({ visitor }: Person, page: Page, { id }: Organization) =>
    visitor.submit(page, '/choose-organization', { organization: id }, CALLBACK);

  test('get what was chosen in each', async () => {
    const person = await somebody();
    const [first, second] = (await askIn(person)) as [Page, Page];
    const backs = [await choose(person, first, acme), await choose(person, second, beta)];
    const answers = await Promise.all(backs.map((back) => answerTo(app, web, back)));
    expect(answers.map(slugIn)).toEqual(['acme', 'beta']);
    expect(await activeOf(answers)).toEqual([true, true]);
  });

  test('get nothing else when both choose at once', async () => {
    const person = await somebody();
    const pages = await askIn(person);
    const backs = await Promise.all(
      pages.map((page, i) => choose(person, page, i === 0 ? acme : beta)),
    );
    // One may have to start over, as the other took the session's cookie along.
    const codes = backs.filter((back) => endOf(back) === 'code');
    expect(codes).not.toEqual([]);
    for (const back of codes) {
      const answer = await answerTo(app, web, back);
      expect(slugIn(answer)).toBe(callbackParams(back.url).state);
      expect(await activeOf([answer])).toEqual([true]);
    }
  });
});

describe('signing out', () => {
  test('everywhere ends all tabs but offline access, and tells the app once', async () => {
    const person = await somebody();
    const tabs = await open(person);
    const mixed = await signedInAgain(person);
    const offline = await open(mixed, OFFLINE);
    await signOut(person.visitor, party, true);
    expect(await activeOf(tabs)).toEqual([false, false, false]);
    for (const tab of tabs) expect((await userinfo(elsewhere(), tab)).status).toBe(401);
    expect(await toldOf(person)).toBe(1);
    await signOut(mixed.visitor, party, true);
    for (const [i, answer] of offline.entries()) {
      const next = await refresh(app, web, answer);
      expectTab(decodeJwt(String(next.id_token)), TABS[i]);
    }
    expect(await toldOf(person)).toBe(2);
  });

  test('of one app ends its tabs and no other’s, and tells it once', async () => {
    const person = await somebody();
    const tabs = await open(person);
    const others = await open(person, 'openid', other);
    await signOut(person.visitor, party, false);
    expect(await activeOf(tabs)).toEqual([false, false, false]);
    expect(await activeOf(others, other)).toEqual([true, true, true]);
    expect(await toldOf(person)).toBe(1);
    const again = await open(person);
    expect(again.map(slugIn)).toEqual([...TABS]);
    expect(await activeOf([...tabs, ...again])).toEqual([false, false, false, true, true, true]);
    await signOut(person.visitor, other, true);
    expect(await activeOf([...again])).toEqual([false, false, false]);
    expect(await activeOf(others, other)).toEqual([false, false, false]);
    expect(await toldOf(person)).toBe(2);
  });

  test('of one app leaves what is offline, and nothing else of the same tabs', async () => {
    const person = await somebody();
    const offline = await open(person, OFFLINE);
    const online = await open(person);
    expect(await activeOf(online)).toEqual([true, true, true]);
    await signOut(person.visitor, party, false);
    expect(await activeOf(online)).toEqual([false, false, false]);
    for (const answer of offline) expect((await refresh(app, web, answer)).error).toBeUndefined();
    await enter(app, person, web, { organization: 'acme' });
    expect(await activeOf(online)).toEqual([false, false, false]);
  });
});

/** The same person in another browser. */
async function signedInAgain(person: Person): Promise<Person> {
  const visitor = createVisitor();
  const as = { identifier: person.email };
  await visitor.signIn(authorizationUrl(app, party.client.id), CALLBACK, as);
  return { ...person, visitor };
}
