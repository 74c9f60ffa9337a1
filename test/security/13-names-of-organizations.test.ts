import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAccount } from '../account/account.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { enterAs } from './organization-cast.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ ORGANIZATION_CREATION: 'everyone' });
});
afterAll(() => app.stop());

test('security 13: names of organizations and roles don’t turn the text after them around', async () => {
  const { db } = app.runtime.deps;
  const user = await app.createUser({ email: 'owner@example.com' });
  const { visitor, page } = await openAccount(
    app,
    'owner@example.com',
    '/account/organizations/new',
  );
  await visitor.submit(page, '/new', { name: 'Acme\u202e\u2066\u001b moc', slug: 'acme' });
  expect(await db('organizations').pluck('name')).toEqual(['Acme moc']);
  const owner = await enterAs(app, user);
  const role = { name: 'Role\u202e\u001b x', key: 'role', description: '\u2067Does\u009b x' };
  expect((await owner.ask('POST acme/roles/new', role)).status).toBe(303);
  const kept = await db('roles').where({ key: 'role' }).first('name', 'description');
  expect(kept).toEqual({ name: 'Role x', description: 'Does x' });
});
