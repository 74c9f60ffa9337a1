import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import type { Organization } from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { invite } from '../organizations/invitations-app.ts';
import {
  eventsOf,
  join,
  newOrganization,
  newPerson,
  type Person,
  rolesOf,
} from '../organizations/organizations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm } from '../support/visitor.ts';

let app: TestApp;
let owner: Person;
let acme: Organization;
let colleague: Pick<Person, 'user' | 'visitor' | 'page'>;

beforeAll(async () => {
  app = await startApp();
  owner = await newPerson(app);
});
afterAll(() => app.stop());

let people = 0;
beforeEach(async () => {
  acme = await newOrganization(app, owner.user.id);
  people += 1;
  const email = `colleague${people}@acme.example`;
  const user: User = await app.createUser({ email });
  colleague = { user, ...(await openAccount(app, email, '/account/organizations')) };
});

const db = () => app.runtime.deps.db;

async function post(
  { visitor, page }: Pick<Person, 'visitor' | 'page'>,
  path: string,
  fields = {},
) {
  const { csrf = '' } = findForm(page, '/sign-out').hidden;
  const body = new URLSearchParams({ csrf, ...fields });
  const answer = await visitor.request(`${app.issuer}/account/${path}`, { method: 'POST', body });
  await answer.arrayBuffer();
  return answer.status;
}

const remove = () =>
  post(owner, `organizations/${acme.slug}/members/${colleague.user.id}/remove`, {
    confirmation: colleague.user.email,
  });
const isMember = async () => colleague.user.id in (await rolesOf(app, acme.id));

describe('security 23: who was removed', () => {
  test('is not let in again by an older invitation to an address that they had before, or have since', async () => {
    const email = 'other@acme.example';
    const { id } = await invite(app, acme.id, { userId: owner.user.id }, email);
    await join(app, acme.id, colleague.user, 'member');
    expect(await remove()).toBe(303);
    await db()('users').where({ id: colleague.user.id }).update({ email });
    expect(await post(colleague, `invitations/${id}`)).toBe(400);
    expect(await isMember()).toBe(false);

    expect(await invite(app, acme.id, { userId: owner.user.id }, email)).toMatchObject({ id });
    expect(await post(colleague, `invitations/${id}`)).toBe(303);
    expect(await isMember()).toBe(true);
  });

  test('is not let in again by an older invitation', async () => {
    const email = String(colleague.user.email);
    const roleIds = [BUILTIN_ROLES.admin];
    const { id } = await invite(app, acme.id, { userId: owner.user.id }, email, { roleIds });
    await join(app, acme.id, colleague.user, 'member');
    expect(await remove()).toBe(303);
    expect(await post(colleague, `invitations/${id}`)).toBe(400);
    expect(await isMember()).toBe(false);
    expect((await eventsOf(app, acme.id)).slice(-2)).toEqual([
      'member.removed',
      'invitation.revoked',
    ]);

    const again = await invite(app, acme.id, { userId: owner.user.id }, email);
    expect(await post(colleague, `invitations/${again.id}`)).toBe(303);
    expect(await rolesOf(app, acme.id)).toMatchObject({ [colleague.user.id]: ['member'] });
  });

  test('does not join again by the domain of their address; who left does', async () => {
    await db()('domains').where({ name: 'acme.example' }).delete();
    await db()('domains').insert({
      ...{ id: randomUUID(), organization_id: acme.id, name: 'acme.example', token: 'token' },
      verified_at: new Date(),
    });
    await db()('organizations').where({ id: acme.id }).update({ join_by_domain: true });
    const joinThere = () => post(colleague, 'organizations/join', { organization: acme.id });
    expect(await joinThere()).toBe(303);
    expect(await post(colleague, `organizations/${acme.slug}/leave`)).toBe(303);
    expect(await joinThere()).toBe(303);
    expect(await remove()).toBe(303);
    expect(await joinThere()).toBe(404);
    expect(await isMember()).toBe(false);
    const list = await colleague.visitor.open(`${app.issuer}/account/organizations`);
    expect(list.html).not.toContain(acme.id);
  });
});
