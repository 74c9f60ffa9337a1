import { decodeJwt, type JWTPayload } from 'jose';
import { SYSTEM } from '../../../src/audit/events.ts';
import { transaction } from '../../../src/db/pool.ts';
import type { Trx } from '../../../src/deps.ts';
import { createOrganization } from '../../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../../src/organizations/permissions.ts';
import { createRole } from '../../../src/organizations/roles/create-role.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../../src/organizations/store.ts';
import type { User } from '../../../src/users/store.ts';
import { CALLBACK, PASSWORD, type TestApp } from '../../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
} from '../../support/authorization.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../../support/visitor.ts';

/** Somebody who is signed in to a browser. */
export type Person = { user: User; email: string; visitor: Visitor };

/** What the token endpoint answers. */
export type Answer = {
  error?: string;
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
};

/** Does what has to be done in one transaction. */
export function change<T>(app: TestApp, work: (trx: Trx) => Promise<T>): Promise<T> {
  return transaction(app.runtime.deps.db, work);
}

/** An organization of somebody's. */
export async function makeOrganization(
  app: TestApp,
  slug: string,
  owner: Pick<Person, 'user'>,
): Promise<Organization> {
  const name = `The ${slug} company`;
  const made = await change(app, (trx) =>
    createOrganization(trx, SYSTEM, { name, slug, ownerId: owner.user.id }),
  );
  if (!made.ok) throw new Error(made.reason);
  return made.organization;
}

/** Makes somebody a member with these roles: built-in ones by key, others by id. */
export async function join(
  app: TestApp,
  { id }: Pick<Organization, 'id'>,
  { user }: Pick<Person, 'user'>,
  ...roles: string[]
): Promise<void> {
  const builtin: Record<string, string> = BUILTIN_ROLES;
  const ids = roles.map((role) => builtin[role] ?? role);
  await change(app, async (trx) => {
    await insertMembership(trx, id, user.id, 'added');
    await insertMembershipRoles(trx, id, user.id, ids);
  });
}

/** A role that gives permissions of APIs; of all organizations if none is given. @returns its id. */
export async function makeRole(
  app: TestApp,
  organization: Pick<Organization, 'id'> | undefined,
  key: string,
  api: Record<string, string[]>,
): Promise<string> {
  const wish = { key, name: key, description: '', permissions: [], api };
  const made = await change(app, (trx) =>
    createRole(trx, SYSTEM, 'installation', {
      organizationId: organization?.id ?? null,
      ...wish,
    }),
  );
  if (!made.ok) throw new Error(`${made.reason} ${made.detail}`);
  return made.role.id;
}

/** Somebody who signed in to a browser, with a password, to no organization. */
export async function signedIn(app: TestApp, client: Credentials, name: string): Promise<Person> {
  const email = `${name}@example.com`;
  const user = await app.createUser({ email, profile: { name } });
  const visitor = createVisitor();
  const url = authorizationUrl(app, client.client.id);
  const back = await visitor.signIn(url, CALLBACK, { identifier: email, password: PASSWORD });
  if (!back.url.startsWith(CALLBACK)) throw new Error(`${name} is at ${pageName(back)}`);
  return { user, email, visitor };
}

/** Sends somebody's browser to an app's request; they agree where they are asked to. */
export async function authorize(
  app: TestApp,
  { visitor }: Pick<Person, 'visitor'>,
  { client }: Credentials,
  params: Record<string, string | undefined>,
): Promise<Page> {
  const page = await visitor.open(authorizationUrl(app, client.id, params), CALLBACK);
  return pageName(page) === 'consent' ? visitor.submit(page, '/consent', {}, CALLBACK) : page;
}

/** Error and code of the address that an app is sent back to; the page's name of any other. */
export function endOf(page: Page): string {
  if (!page.url.startsWith(CALLBACK)) return `page ${pageName(page)}`;
  const { code, error = '' } = callbackParams(page.url);
  return code === undefined ? error : 'code';
}

/** From the address that an app was sent back to, what it gets for the code. */
export async function answerTo(
  app: TestApp,
  client: Credentials,
  page: Page,
  fields: Record<string, string> = {},
): Promise<Answer> {
  const { code, error } = callbackParams(page.url);
  if (code === undefined) throw new Error(`no code: ${error ?? pageName(page)}`);
  return (await (await redeem(app, client, code, fields)).json()) as Answer;
}

/** Signs somebody who is signed in to an organization, or to none. */
export async function enter(
  app: TestApp,
  person: Pick<Person, 'visitor'>,
  client: Credentials,
  params: Record<string, string | undefined>,
): Promise<Answer> {
  const { resource } = params;
  const page = await authorize(app, person, client, params);
  const answer = await answerTo(app, client, page, resource === undefined ? {} : { resource });
  if (answer.error !== undefined) throw new Error(JSON.stringify(answer));
  return answer;
}

/** What the token endpoint says to a refresh token; errors too. */
export async function refresh(
  app: Pick<TestApp, 'issuer'>,
  client: Credentials,
  { refresh_token }: Pick<Answer, 'refresh_token'>,
  fields: Record<string, string> = {},
): Promise<Answer> {
  const grant = { grant_type: 'refresh_token', refresh_token: String(refresh_token) };
  const answer = await postAs(`${app.issuer}/token`, client, { ...grant, ...fields });
  return (await answer.json()) as Answer;
}

/** What the provider says of a token (RFC 7662). */
export async function introspect(
  app: Pick<TestApp, 'issuer'>,
  client: Credentials,
  token: string | undefined,
): Promise<JWTPayload> {
  const answer = await postAs(`${app.issuer}/introspect`, client, { token: String(token) });
  return (await answer.json()) as JWTPayload;
}

/** Status and claims of userinfo. */
export async function userinfo(
  app: Pick<TestApp, 'issuer'>,
  { access_token }: Pick<Answer, 'access_token'>,
): Promise<{ status: number; claims: JWTPayload }> {
  const headers = { authorization: `Bearer ${access_token}` };
  const response = await fetch(`${app.issuer}/userinfo`, { headers });
  const text = await response.text();
  return { status: response.status, claims: text === '' ? {} : (JSON.parse(text) as JWTPayload) };
}

/** The slug that an ID token names; undefined for no organization. */
export function slugIn({ id_token }: Pick<Answer, 'id_token'>): unknown {
  return decodeJwt(String(id_token)).org_slug;
}
