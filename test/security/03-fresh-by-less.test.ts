import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SignInMethod } from '../../src/mfa/sign-in-methods.ts';
import { updateOrganization } from '../../src/organizations/store.ts';
import { signInAgo } from '../account/account.ts';
import { change, endOf, join, makeOrganization } from '../organizations/tokens/tokens-app.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createOwner, type Owner, walk } from '../support/second-factors.ts';
import { createVisitor, pageName, type Visitor } from '../support/visitor.ts';

let app: TestApp;
/** An app that asks nobody for a second factor. */
let lenientId: string;

beforeAll(async () => {
  app = await startApp();
  lenientId = (await app.createClient({ metadata: { mfa: 'off' } })).client.id;
});
afterAll(() => app.stop());

const at = (params: Record<string, string> = {}) => authorizationUrl(app, lenientId, params);
const RECENT = { prompt: 'none', max_age: '600', acr_values: 'urn:plinto:acr:2fa' };

let made = 0;

/** Somebody's session of an hour ago, and an organization of a stranger's that wants this method. */
async function atOrganization(
  by: 'passkey' | 'password',
  method: SignInMethod,
): Promise<{ owner: Owner; visitor: Visitor; organization: string }> {
  made += 1;
  const [owner, stranger] = [await createOwner(app, ['passkey']), await createOwner(app)];
  const organization = `lure-${made}`;
  const org = await makeOrganization(app, organization, stranger);
  await join(app, org, owner, 'member');
  await change(app, (trx) => updateOrganization(trx, org.id, { sign_in_methods: [method] }));
  const visitor = createVisitor();
  await walk(app, owner, visitor, at(), { byPasskey: by === 'passkey' });
  await signInAgo(app, owner.user.id, 3600);
  return { owner, visitor, organization };
}

test('security 3: the password that an organization wants makes no second factor new', async () => {
  const { owner, visitor, organization } = await atOrganization('passkey', 'password');
  expect(endOf(await visitor.open(at(RECENT), CALLBACK))).toBe('login_required');
  const { pages, end } = await walk(app, owner, visitor, at({ organization }));
  expect([pages, endOf(end)]).toEqual([['password'], 'code']);
  // Strong enough for two factors, but not lately.
  const { max_age: _age, ...strong } = RECENT;
  expect(endOf(await visitor.open(at(strong), CALLBACK))).toBe('code');
  expect(endOf(await visitor.open(at(RECENT), CALLBACK))).toBe('login_required');
  const dangerous = await visitor.open(`${app.issuer}/account/email`);
  expect(pageName(dangerous)).toBe('password');
});

test('security 3: a passkey that it wants is worth all that is told, and does', async () => {
  const { owner, visitor, organization } = await atOrganization('password', 'passkey');
  const { pages, end } = await walk(app, owner, visitor, at({ organization }));
  expect([pages, endOf(end)]).toEqual([['passkey'], 'code']);
  expect(endOf(await visitor.open(at(RECENT), CALLBACK))).toBe('code');
});
