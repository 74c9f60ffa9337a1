import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trx } from '../../../src/deps.ts';
import { endGrants, endSession, endUserState } from '../../../src/oidc-state/end.ts';
import { endOrganizationAccess } from '../../../src/oidc-state/organization-access.ts';
import { startApp, type TestApp } from '../../support/app.ts';
import type { Credentials } from '../../support/authorization.ts';
import { pageName } from '../../support/visitor.ts';
import { change, enter, makeOrganization, signedIn } from './tokens-app.ts';

let app: TestApp;
let web: Credentials;

beforeAll(async () => {
  app = await startApp();
  web = await app.createClient();
});
afterAll(() => app.stop());

/** Waits until so many statements wait for locks. */
const untilWaiting = (count: number) =>
  expect
    .poll(
      async () => {
        const { rows } = await app.runtime.deps.db.raw(
          `SELECT FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows.length;
      },
      { timeout: 10_000 },
    )
    .toBe(count);

/** Begins the second while the first waits for these rows, which then are let go. */
async function whileHeld(
  hold: (trx: Trx) => Promise<unknown>,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<unknown[]> {
  const both = await change(app, async (trx) => {
    await hold(trx);
    const one = Promise.allSettled([first()]);
    await untilWaiting(1);
    const other = Promise.allSettled([second()]);
    await untilWaiting(2);
    return [one, other];
  });
  return (await Promise.all(both)).flat().map(({ status }) => status);
}

const DONE = ['fulfilled', 'fulfilled'];

test.each<[string, (trx: Trx, userId: string, grantIds: string[]) => Promise<unknown>]>([
  ['all that a person has', (trx, userId) => endUserState(trx, userId)],
  ['some grants', (trx, _userId, grantIds) => endGrants(trx, grantIds)],
])('whoever ends %s and what is an organization’s both get through', async (what, end) => {
  const name = what.replaceAll(' ', '-');
  const { user } = await signedIn(app, web, name);
  const { id } = await makeOrganization(app, name, { user });
  const { db } = app.runtime.deps;
  // Stored in another order than that of their ids.
  const ids = [`z ${name}`, `a ${name}`];
  for (const grantId of ids) {
    await db('oidc_grants').insert({
      ...{ id: grantId, account_id: user.id, client_id: web.client.id, organization_id: id },
      ...{ payload: '{}', expires_at: db.raw("now() + interval '1 day'") },
    });
  }
  const ended = await whileHeld(
    (trx) => trx('oidc_grants').where({ id: ids[1] }).forUpdate(),
    () => change(app, (trx) => endOrganizationAccess(trx, id)),
    () => change(app, (trx) => end(trx, user.id, ids)),
  );
  expect(ended).toEqual(DONE);
  expect(await db('oidc_grants').whereIn('id', ids).whereRaw('expires_at > now()')).toEqual([]);
});

test('whoever signs out of an app and whoever ends that session both get through', async () => {
  const person = await signedIn(app, web, 'ann');
  for (const slug of ['acme', 'beta']) await makeOrganization(app, slug, person);
  await enter(app, person, web, { organization: 'beta' });
  const { id_token } = await enter(app, person, web, { organization: 'acme' });
  const page = await person.visitor.open(`${app.issuer}/logout?id_token_hint=${id_token}`);
  const { db } = app.runtime.deps;
  const { uid } = await db('oidc_sessions').where({ account_id: person.user.id }).first();
  const { id } = await db('organizations').where({ slug: 'beta' }).first();
  const grants = db('oidc_grants').where({ organization_id: id }).select('id');
  let signedOut: Promise<string | undefined> | undefined;
  const ended = await whileHeld(
    (trx) => trx('oidc_artifacts').whereIn('grant_id', grants).forUpdate(),
    () => {
      signedOut = person.visitor.submit(page, '/logout/confirm').then(pageName);
      return signedOut;
    },
    () => change(app, (trx) => endSession(trx, uid)),
  );
  expect(ended).toEqual(DONE);
  expect(await signedOut).toMatch(/^(still-signed-in|signed-out)$/);
});
