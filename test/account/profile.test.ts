import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty } from '../support/relying-party.ts';
import { alertText, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';

let app: TestApp;
let ada: User;
let visitor: Visitor;
let page: Page;

beforeAll(async () => {
  app = await startApp({
    PROFILE_ATTRIBUTES: 'department=Department,username=Login at work',
  });
  ada = await app.createUser({ username: 'ada', profile: { name: 'Ada Lovelace' } });
  await app.createUser({ email: 'bob@example.com', username: 'Bob' });
  ({ visitor, page } = await openAccount(app, 'ada'));
});
afterAll(() => app.stop());

const find = (email: string): Promise<User> =>
  app.runtime.deps.db('users').where({ email }).first();

test('shows what there is, and takes what is typed', async () => {
  expect(page.html).toContain('value="Ada Lovelace"');
  const saved = await visitor.submit(page, '/account', {
    given_name: ' Augusta Ada ',
    family_name: 'King\u0007\nNoel',
    name: '',
    nickname: '阿達',
    username: 'countess',
    locale: 'de',
    zoneinfo: 'Europe/London',
    attribute_department: 'Analysis',
    attribute_username: 'aking',
  });
  expect([saved.status, saved.url]).toEqual([200, `${app.issuer}/account?done=profile`]);
  expect(saved.html).toMatch(/role="status"[\s\S]*Ihr Profil wurde gespeichert/);
  expect(await find('ada@example.com')).toMatchObject({
    given_name: 'Augusta Ada',
    family_name: 'King Noel',
    name: null,
    nickname: '阿達',
    username: 'countess',
    locale: 'de',
    zoneinfo: 'Europe/London',
    metadata: { attributes: { department: 'Analysis', username: 'aking' } },
  });
  const [event] = await app.runtime.deps.db('audit_events').where({ type: 'profile.updated' });
  expect(event).toMatchObject({
    user_id: ada.id,
    actor: `user:${ada.id}`,
    data: {
      fields: [
        'name',
        'given_name',
        'family_name',
        'nickname',
        'username',
        'locale',
        'zoneinfo',
        'attribute_department',
        'attribute_username',
      ],
    },
  });
});

test('apps with the profile scope get it all, own fields under their own names', async () => {
  const party = await createRelyingParty(app, { scope: 'openid profile' });
  const tokens = await party.signIn({ scope: 'openid profile' }, { identifier: 'countess' });
  const claims = {
    name: 'Augusta Ada King Noel',
    preferred_username: 'countess',
    zoneinfo: 'Europe/London',
    department: 'Analysis',
    username: 'aking',
  };
  expect(tokens.claims()).toMatchObject(claims);
  const info = await oidc.fetchUserInfo(party.config, tokens.access_token, ada.id);
  expect(info).toMatchObject(claims);
  expect(party.config.serverMetadata().claims_supported).toContain('department');
  const bare = await party.signIn({ scope: 'openid' }, { identifier: 'countess' });
  expect(bare.claims()).not.toHaveProperty('department');
});

test('what the form does not have stays, what is left empty goes', async () => {
  await visitor.submit(page, '/account', { nickname: '', attribute_username: '' });
  expect(await find('ada@example.com')).toMatchObject({
    given_name: 'Augusta Ada',
    nickname: null,
    metadata: { attributes: { department: 'Analysis' } },
  });
});

describe('refused, with the reason beside the form and everything typed still there:', () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ['a username with spaces', { username: 'a b' }, /kein möglicher Benutzername/],
    ['a username that is an address', { username: 'bob@example.com' }, /kein möglicher/],
    ['a username that is taken', { username: 'bob' }, /schon jemand anderes/],
    ['a username that is taken in other capitals', { username: 'ＢＯＢ' }, /schon jemand anderes/],
    ['a language that there is not', { locale: 'tlh' }, /Eintrag aus der Liste/],
    ['a time zone that there is not', { zoneinfo: 'Moon/Tranquility' }, /Eintrag aus der Liste/],
    ['a name without end', { family_name: 'x'.repeat(201) }, /höchstens 200/],
    ['an attribute without end', { attribute_department: '🙂'.repeat(201) }, /höchstens 200/],
  ])('%s', async (_, fields, words) => {
    const before = await find('ada@example.com');
    const refused = await visitor.submit(page, '/account', { given_name: 'Typed', ...fields });
    expect([refused.status, pageName(refused)]).toEqual([422, 'account']);
    expect(alertText(refused)).toMatch(words);
    expect(refused.html).toContain('value="Typed"');
    expect(refused.html).toContain('aria-invalid="true"');
    expect(await find('ada@example.com')).toEqual(before);
  });
});

test.each([
  'administrator',
  'status',
  'email',
  'email_verified_at',
  'phone_number',
  'picture',
  'id',
  'metadata',
  'attribute_unheard_of',
  'updated_at',
])('security 25: the form cannot change %s, and the answer names it', async (field) => {
  const before = await find('ada@example.com');
  const { action, hidden } = findForm(page, '/account');
  const body = new URLSearchParams({ ...hidden, given_name: 'Mallory' });
  body.append(field, 'true');
  const refused = await visitor.open(action, undefined, { method: 'POST', body });
  expect(refused.status).toBe(422);
  expect(alertText(refused)).toContain(field);
  expect(await find('ada@example.com')).toEqual(before);
});

test('somebody without an address keeps a username', async () => {
  const { db } = app.runtime.deps;
  const eve = await app.createUser({ email: undefined, username: 'eve', profile: {} });
  const opened = await openAccount(app, 'eve');
  const refused = await opened.visitor.submit(opened.page, '/account', { username: ' ' });
  expect([refused.status, alertText(refused)]).toEqual([422, expect.stringContaining('Enter one')]);
  expect((await db('users').where({ id: eve.id }).first()).username).toBe('eve');
});

test('a language that only an administrator can give is kept', async () => {
  await app.createUser({ email: 'kim@example.com', profile: { locale: 'en-GB' } });
  const kim = await openAccount(app, 'kim@example.com');
  expect(kim.page.html).toMatch(/<option value="en-GB" lang="en-GB" selected>/);
  await kim.visitor.submit(kim.page, '/account', { locale: 'en-GB', nickname: 'Kim' });
  expect(await find('kim@example.com')).toMatchObject({ locale: 'en-GB', nickname: 'Kim' });
});

test('security 34: a form sent ten times at once changes the profile once', async () => {
  const user = await app.createUser({ email: 'ten@example.com' });
  const ten = await openAccount(app, 'ten@example.com');
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => ten.visitor.submit(ten.page, '/account', { nickname: 'Ten' })),
  );
  expect(new Set(answers.map(({ url }) => url))).toEqual(
    new Set([`${app.issuer}/account?done=profile`]),
  );
  expect(await eventsOf(app, user.id)).toEqual(['profile.updated']);
});

test('of two that want one username at once, one gets it', async () => {
  await app.createUser({ email: 'one@example.com' });
  await app.createUser({ email: 'two@example.com' });
  const people = await Promise.all(
    ['one@example.com', 'two@example.com'].map((email) => openAccount(app, email)),
  );
  const answers = await Promise.all(
    people.map((person) => person.visitor.submit(person.page, '/account', { username: 'wanted' })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 422]);
  expect(await app.runtime.deps.db('users').where({ username: 'wanted' })).toHaveLength(1);
});

test('security 13: a hostile name is inert', async () => {
  const attack = '"><script>window.hit=1</script><img src=x onerror=alert(1)>';
  const saved = await visitor.submit(page, '/account', { nickname: attack });
  expect(saved.html).not.toContain('<script>window');
  expect(saved.html).not.toContain('<img src=x');
});

test('a form of another session changes nothing', async () => {
  const other = await openAccount(app, 'bob');
  const { hidden } = findForm(page, '/account');
  const refused = await other.visitor.open(`${app.issuer}/account`, undefined, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, nickname: 'Forged' }),
  });
  expect([refused.status, pageName(refused)]).toEqual([403, 'error']);
  // The way back is on the page.
  expect(refused.html).toContain('href="/account"');
});
