import { randomBytes } from 'node:crypto';
import { decodeJwt, type JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Organization, updateOrganization } from '../../../src/organizations/store.ts';
import { hashCode } from '../../../src/recovery-codes/codes.ts';
import { replaceCodes } from '../../../src/recovery-codes/store.ts';
import { CALLBACK, startApp, type TestApp } from '../../support/app.ts';
import { authorizationUrl, type Credentials } from '../../support/authorization.ts';
import { codeIn, type Mailbox, startMailbox } from '../../support/mailbox.ts';
import {
  createOwner,
  type Having,
  type Owner,
  walk,
  walkOn,
} from '../../support/second-factors.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../../support/visitor.ts';
import {
  answerTo,
  change,
  endOf,
  enter,
  join,
  makeOrganization,
  type Person,
  refresh,
  signedIn,
} from './tokens-app.ts';

const ONE = 'urn:plinto:acr:1fa';
const TWO = 'urn:plinto:acr:2fa';

let app: TestApp;
let mailbox: Mailbox;
/** An app that asks for second factors as the installation does, and one that never does. */
let web: Credentials;
let lax: Credentials;
let founder: Person;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({
    SMTP_URL: mailbox.url,
    EMAIL_SIGN_IN: 'true',
    MFA_REMEMBER_DAYS: '30',
  });
  web = await app.createClient();
  lax = await app.createClient({ metadata: { mfa: 'off' } });
  founder = await signedIn(app, web, 'founder');
});
beforeEach(() => app.runtime.deps.db('throttles').delete());
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

type Rules = Partial<Pick<Organization, 'mfa_required' | 'sign_in_methods' | 'session_seconds'>>;

let made = 0;

/** An organization of its own for a test, and a member who is signed in to `lax` by their password. */
async function memberOf(having: Having[] = [], by: 'password' | 'passkey' = 'password') {
  made += 1;
  const org = await makeOrganization(app, `org-${made}`, founder);
  const owner = await createOwner(app, having);
  await join(app, org, owner, 'member');
  const visitor = createVisitor();
  const { end } = await walk(app, owner, visitor, urlFor(lax), { byPasskey: by === 'passkey' });
  expect(endOf(end)).toBe('code');
  return { org, owner, visitor };
}

const ask = (org: Organization, rules: Rules) =>
  change(app, (trx) => updateOrganization(trx, org.id, rules));

const urlFor = (client: Credentials, params: Record<string, string> = {}) =>
  authorizationUrl(app, client.client.id, params);

const SCOPE = { scope: 'openid offline_access' };
const inside = ({ slug }: Organization, more = {}) => ({ ...SCOPE, organization: slug, ...more });

/** What happens to somebody without a word. */
const silently = async (visitor: Visitor, org: Organization, client = lax) =>
  endOf(await visitor.open(urlFor(client, inside(org, { prompt: 'none' })), CALLBACK));

/** Claims that come of a code. */
async function claimsAt(page: Page, client = lax): Promise<JWTPayload> {
  const answer = await answerTo(app, client, page);
  expect(answer.error).toBeUndefined();
  expect((await refresh(app, client, answer)).error).toBeUndefined();
  return decodeJwt(String(answer.id_token));
}

/** Asks for a code by mail on the page for it, and enters it. */
async function enterMailed({ email }: Owner, visitor: Visitor, page: Page): Promise<Page> {
  expect(pageName(page)).toBe('code');
  const after = mailbox.messages.length;
  const sent = await visitor.submit(page, '/email-code', { identifier: email });
  const mail = await mailbox.waitFor(email, { after });
  return visitor.submit(sent, '/code', { code: codeIn(mail) }, CALLBACK);
}

describe('an organization that asks for two factors', () => {
  test('renews nothing of a sign-in by one, until it is stepped up', async () => {
    const { org, owner, visitor } = await memberOf(['totp']);
    const first = await enter(app, { visitor }, lax, inside(org));
    const { acr, auth_time } = decodeJwt(String(first.id_token));
    expect(acr).toBe(ONE);
    await ask(org, { mfa_required: true });
    expect(await refresh(app, lax, first)).toMatchObject({ error: 'invalid_grant' });
    await ask(org, { mfa_required: false });
    // It wasn't used up by that.
    const second = await refresh(app, lax, first);
    expect(second.error).toBeUndefined();
    await ask(org, { mfa_required: true });
    expect(await silently(visitor, org)).toBe('login_required');
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['totp']);
    const claims = await claimsAt(end);
    expect(claims).toMatchObject({ acr: TWO, amr: ['pwd', 'otp', 'mfa'], org_slug: org.slug });
    expect(claims.auth_time).toBe(auth_time);
    expect(await refresh(app, lax, second)).toMatchObject({ error: 'invalid_grant' });
    expect(await silently(visitor, org)).toBe('code');
  });

  test('refuses a code that was issued before it asked', async () => {
    const { org, visitor } = await memberOf();
    const page = await visitor.open(urlFor(lax, inside(org)), CALLBACK);
    await ask(org, { mfa_required: true });
    expect(await answerTo(app, lax, page)).toMatchObject({ error: 'invalid_grant' });
  });

  test('has who has none turn one on', async () => {
    const { org, owner, visitor } = await memberOf();
    await ask(org, { mfa_required: true });
    expect(await silently(visitor, org)).toBe('interaction_required');
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['enrol-mfa', 'enrol-totp', 'recovery-codes']);
    expect(await claimsAt(end)).toMatchObject({ acr: TWO, org_slug: org.slug });
  });

  test('takes no browser for one that is remembered elsewhere', async () => {
    const { org, owner } = await memberOf(['totp']);
    await ask(org, { mfa_required: true });
    const visitor = createVisitor();
    await walk(app, owner, visitor, urlFor(web), { remember: true });
    await app.runtime.deps.db('oidc_sessions').where({ account_id: owner.user.id }).delete();
    const trusted = await walk(app, owner, visitor, urlFor(web));
    expect(trusted.pages).toEqual(['login']);
    expect(await silently(visitor, org, web)).toBe('login_required');
    const { pages, end } = await walk(app, owner, visitor, urlFor(web, inside(org)));
    expect(pages).toEqual(['totp']);
    expect(await claimsAt(end, web)).toMatchObject({ acr: TWO });
  });

  test('is content with two, by whatever name the app wants to be told of them', async () => {
    const { org, owner, visitor } = await memberOf(['totp']);
    await ask(org, { mfa_required: true });
    const request = urlFor(lax, inside(org, { acr_values: ONE }));
    const { end } = await walk(app, owner, visitor, request);
    expect(await claimsAt(end)).toMatchObject({ acr: ONE, amr: ['pwd', 'otp', 'mfa'] });
  });

  test('takes a recovery code for one, also where nobody else asks', async () => {
    const { org, owner, visitor } = await memberOf(['totp']);
    await change(app, (trx) =>
      replaceCodes(trx, owner.user.id, [hashCode('ABCDE-FGH23')], randomBytes(32)),
    );
    await ask(org, { mfa_required: true });
    const page = await visitor.open(urlFor(lax, inside(org)), CALLBACK);
    expect(pageName(page)).toBe('totp');
    expect(page.html).toMatch(/href="[^"]*\/recovery-code"/);
    const other = await visitor.open(`${page.url.replace(/\/totp$/, '')}/recovery-code`);
    expect(pageName(other)).toBe('recovery-code');
    const end = await visitor.submit(other, '/recovery-code', { code: 'ABCDE-FGH23' }, CALLBACK);
    expect(await claimsAt(end)).toMatchObject({ acr: TWO, org_slug: org.slug });
  });
});

describe('an organization that limits a session', () => {
  /** Has everything of somebody be of so many seconds ago. */
  async function age({ user }: Owner, seconds: number): Promise<void> {
    for (const [table, member] of [
      ['oidc_sessions', 'loginTs'],
      ['oidc_refresh_tokens', 'authTime'],
    ]) {
      await app.runtime.deps.db.raw(
        `UPDATE ?? SET payload = jsonb_set(payload::jsonb, array[:member],
           to_jsonb((payload->>:member)::int - :seconds::int))::json
         WHERE account_id = :id AND payload->>:member IS NOT NULL`.replace('??', String(table)),
        { member: String(member), seconds, id: user.id },
      );
    }
  }

  test('renews nothing of an older one, and asks for another sign-in', async () => {
    const { org, owner, visitor } = await memberOf();
    await ask(org, { session_seconds: 600 });
    const first = await enter(app, { visitor }, lax, inside(org));
    await age(owner, 500);
    const second = await refresh(app, lax, first);
    expect(second.error).toBeUndefined();
    expect(await silently(visitor, org)).toBe('code');
    await age(owner, 200);
    expect(await refresh(app, lax, second)).toMatchObject({ error: 'invalid_grant' });
    expect(await silently(visitor, org)).toBe('login_required');
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['password']);
    const { auth_time } = await claimsAt(end);
    expect(Date.now() / 1000 - Number(auth_time)).toBeLessThan(300);
    expect(await silently(visitor, org)).toBe('code');
  });

  test('says so after it was chosen too', async () => {
    const { org, owner, visitor } = await memberOf();
    const other = await makeOrganization(app, `other-${made}`, owner);
    await ask(org, { session_seconds: 600 });
    await age(owner, 1000);
    const any = { ...SCOPE, organization: '*' };
    const page = await visitor.open(urlFor(lax, any), CALLBACK);
    const chosen = await visitor.submit(page, '/choose-organization', { organization: org.id });
    expect(pageName(chosen)).toBe('password');
    const { end } = await walkOn(app, owner, visitor, chosen);
    expect(await claimsAt(end)).toMatchObject({ org_slug: org.slug });
    await age(owner, 1000);
    expect(await silently(visitor, other)).toBe('code');
  });
});

describe('an organization that wants people to sign in another way', () => {
  test('by passkey', async () => {
    const { org, owner, visitor } = await memberOf(['passkey']);
    const first = await enter(app, { visitor }, lax, inside(org));
    await ask(org, { sign_in_methods: ['passkey'] });
    expect(await refresh(app, lax, first)).toMatchObject({ error: 'invalid_grant' });
    expect(await silently(visitor, org)).toBe('login_required');
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['passkey']);
    expect(await claimsAt(end)).toMatchObject({ acr: 'phr', org_slug: org.slug });
    await ask(org, { sign_in_methods: ['password'] });
    expect(await silently(visitor, org)).toBe('code');
  });

  test('by a passkey, which who has none creates', async () => {
    const { org, owner, visitor } = await memberOf();
    await ask(org, { sign_in_methods: ['passkey'] });
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['enrol-passkey', 'recovery-codes']);
    expect(await claimsAt(end)).toMatchObject({ org_slug: org.slug });
  });

  test('by password, of who came by passkey', async () => {
    const { org, owner, visitor } = await memberOf(['passkey'], 'passkey');
    await ask(org, { sign_in_methods: ['password'] });
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['password']);
    expect(await claimsAt(end)).toMatchObject({ org_slug: org.slug });
  });

  test('by mail, of who gave a password', async () => {
    const { org, owner, visitor } = await memberOf();
    const first = await enter(app, { visitor }, lax, inside(org));
    await ask(org, { sign_in_methods: ['email'] });
    expect(await refresh(app, lax, first)).toMatchObject({ error: 'invalid_grant' });
    const page = await visitor.open(urlFor(lax, inside(org)), CALLBACK);
    const end = await enterMailed(owner, visitor, page);
    expect(await claimsAt(end)).toMatchObject({ org_slug: org.slug, amr: ['otp', 'pwd'] });
    expect(await silently(visitor, org)).toBe('code');
  });

  test('by mail, of who gives a password in a new browser, and then their second factor', async () => {
    const { org, owner } = await memberOf(['totp']);
    await ask(org, { sign_in_methods: ['email'], mfa_required: true });
    const visitor = createVisitor();
    const manner = { until: ['code'] };
    const first = await walk(app, owner, visitor, urlFor(lax, inside(org)), manner);
    expect(first.pages).toEqual(['login']);
    const mailed = await enterMailed(owner, visitor, first.end);
    const { pages, end } = await walkOn(app, owner, visitor, mailed);
    expect(pages).toEqual(['totp']);
    expect(await claimsAt(end)).toMatchObject({ acr: TWO, amr: ['otp', 'pwd', 'mfa'] });
  });

  test('by password, of who came by mail', async () => {
    const { org, owner } = await memberOf();
    const visitor = createVisitor();
    const login = await visitor.open(urlFor(lax));
    const page = await visitor.open(`${login.url}/code`);
    expect(endOf(await enterMailed(owner, visitor, page))).toBe('code');
    await ask(org, { sign_in_methods: ['password', 'passkey'] });
    const { pages, end } = await walk(app, owner, visitor, urlFor(lax, inside(org)));
    expect(pages).toEqual(['password']);
    expect(await claimsAt(end)).toMatchObject({ org_slug: org.slug });
  });
});
