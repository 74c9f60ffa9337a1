import type { Knex } from 'knex';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import {
  authorize,
  endOf,
  join,
  makeOrganization,
  type Person,
  signedIn,
} from '../organizations/tokens/tokens-app.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl, type Credentials } from '../support/authorization.ts';
import { pageName } from '../support/visitor.ts';

let app: TestApp;
let web: Credentials;
let owner: Person;

beforeAll(async () => {
  app = await startApp();
  web = await app.createClient({ firstParty: false });
  const own = await app.createClient();
  owner = await signedIn(app, own, 'owner');
});
afterAll(() => app.stop());

test.each<[string, (membership: Knex.QueryBuilder) => Knex.QueryBuilder]>([
  ['removed', (membership) => membership.delete()],
  ['suspended', (membership) => membership.update({ status: 'suspended' })],
])(
  'security 19: who is %s while they are asked to agree reads so, and agreed to nothing',
  async (ended, end) => {
    const { id } = await makeOrganization(app, ended, owner);
    const person = await signedIn(app, await app.createClient(), ended);
    await join(app, { id }, person, 'member');
    const url = authorizationUrl(app, web.client.id, { organization: ended });
    const consent = await person.visitor.open(url, CALLBACK);
    expect(pageName(consent)).toBe('consent');
    const { db } = app.runtime.deps;
    await end(db('memberships').where({ user_id: person.user.id }));
    const page = await person.visitor.submit(consent, '/consent', {}, CALLBACK);
    expect([page.status, pageName(page)]).toEqual([200, 'organization-refused']);
    // Nobody reads later that they agreed, unless that is kept for when they are let in again.
    const about = { user_id: person.user.id };
    const agreed = await db('audit_events').where({ ...about, type: 'consent.granted' });
    expect(agreed).toHaveLength((await db('organization_consents').where(about)).length);
    // Nor does what was agreed to for it stand elsewhere.
    const elsewhere = await person.visitor.open(authorizationUrl(app, web.client.id), CALLBACK);
    expect(pageName(elsewhere)).toBe('consent');
    expect(endOf(await authorize(app, person, web, { organization: ended, prompt: 'none' }))).toBe(
      'access_denied',
    );
  },
);

test('security 19: who is removed while an app is answered is refused to it', async () => {
  const { id } = await makeOrganization(app, 'answered', owner);
  const own = await app.createClient();
  const person = await signedIn(app, own, 'answered');
  await join(app, { id }, person, 'member');
  const { db } = app.runtime.deps;
  const waiting = async () => {
    const { rows } = await db.raw(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length;
  };
  const answer = await transaction(db, async (trx) => {
    await trx('memberships').where({ user_id: person.user.id }).delete();
    // It was looked up as it was, and now is built upon.
    const asked = authorize(app, person, own, { organization: 'answered' });
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    return { asked };
  });
  expect(endOf(await answer.asked)).toBe('access_denied');
});
