import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { insertMembership, insertMembershipRoles } from '../../src/organizations/store.ts';
import { newPerson } from '../organizations/organizations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ ORGANIZATION_CREATION: 'everyone' });
});
afterAll(() => app.stop());

test('security 21: who once made an organization can’t make another of its id, by which apps know it, when it is gone', async () => {
  const { db } = app.runtime.deps;
  const { visitor } = await newPerson(app);
  const form = await visitor.open(`${app.issuer}/account/organizations/new`);
  const typed = { name: 'Handed over', slug: 'handed-over' };
  expect((await visitor.submit(form, '/new', typed)).status).toBe(200);
  const { id } = await db('organizations').where({ slug: typed.slug }).first('id');
  await db('organizations').where({ id }).delete();

  expect((await visitor.submit(form, '/new', typed)).status).toBe(403);
  expect(await db('organizations').where({ id })).toEqual([]);
  expect(await db('audit_events').where({ organization_id: id }).pluck('type')).toEqual([
    'organization.created',
  ]);
});

test('security 21: who made an organization and is no member any more isn’t told its slug of today', async () => {
  const { visitor, user } = await newPerson(app);
  const form = await visitor.open(`${app.issuer}/account/organizations/new`);
  const typed = { name: 'Passed on', slug: 'passed-on' };
  expect((await visitor.submit(form, '/new', typed)).status).toBe(200);
  const next = await newPerson(app);
  const { db } = app.runtime.deps;
  const { id } = await db('organizations').where({ slug: typed.slug }).first('id');
  await transaction(db, async (trx) => {
    await insertMembership(trx, id, next.user.id, 'added');
    await insertMembershipRoles(trx, id, next.user.id, [BUILTIN_ROLES.owner]);
    await trx('memberships').where({ organization_id: id, user_id: user.id }).delete();
  });
  expect((await visitor.submit(form, '/new', typed)).status).toBe(403);
});
