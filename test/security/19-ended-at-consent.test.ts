import type { Knex } from 'knex';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
    // Nor does what was agreed to for it stand elsewhere.
    const elsewhere = await person.visitor.open(authorizationUrl(app, web.client.id), CALLBACK);
    expect(pageName(elsewhere)).toBe('consent');
    expect(endOf(await authorize(app, person, web, { organization: ended, prompt: 'none' }))).toBe(
      'access_denied',
    );
  },
);
