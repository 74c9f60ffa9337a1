import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { changeOrganizationProfile } from '../../src/organizations/update-organization.ts';
import { newOrganization, newPerson, type Person } from '../organizations/organizations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm } from '../support/visitor.ts';

let app: TestApp;
let ada: Person;
let eve: Person;

beforeAll(async () => {
  app = await startApp({ ORGANIZATION_CREATION: 'everyone' });
  ada = await newPerson(app);
  eve = await newPerson(app);
});
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;

async function rename({ visitor, page }: Person, from: string, slug: string): Promise<number> {
  const { csrf = '' } = findForm(page, '/sign-out').hidden;
  const body = new URLSearchParams({ csrf, name: 'Named', slug });
  const url = `${app.issuer}/account/organizations/${from}`;
  const answer = await visitor.request(url, { method: 'POST', body });
  await answer.arrayBuffer();
  return answer.status;
}

const slugOf = async (id: string) =>
  (await db()('organizations').where({ id }).first('slug'))?.slug;

test('security 21: nobody takes the slug that another organization had, by which apps may ask for it', async () => {
  const acme = await newOrganization(app, ada.user.id);
  const other = await newOrganization(app, eve.user.id);
  expect(await rename(ada, acme.slug, 'renamed')).toBe(303);
  expect(await rename(eve, other.slug, acme.slug)).toBe(422);
  const made = await transaction(db(), (trx) =>
    createOrganization(trx, SYSTEM, { name: 'Mine', slug: acme.slug, ownerId: eve.user.id }),
  );
  expect(made).toEqual({ ok: false, reason: 'slug_taken' });
  const form = await eve.visitor.open(`${app.issuer}/account/organizations/new`);
  const again = await eve.visitor.submit(form, '/new', { name: 'Mine', slug: acme.slug });
  expect(again.status).toBe(422);
  expect(await slugOf(other.id)).toBe(other.slug);

  expect(await rename(ada, 'renamed', acme.slug)).toBe(303);
  expect(await rename(eve, other.slug, 'renamed')).toBe(422);
  await db()('organizations').where({ id: acme.id }).delete();
  expect(await rename(eve, other.slug, 'renamed')).toBe(303);
});

test('security 21: of an organization that is renamed while others want its slug, none gets it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const acme = await newOrganization(app, ada.user.id);
    const other = await newOrganization(app, eve.user.id);
    const [renamed, ...taken] = await Promise.all([
      rename(ada, acme.slug, `away${round}`),
      ...Array.from({ length: 4 }, () => rename(eve, other.slug, acme.slug)),
    ]);
    expect(renamed).toBe(303);
    expect(taken).toEqual([422, 422, 422, 422]);
  }
});

test('security 21: nobody keeps more slugs from others than the last ten', async () => {
  const acme = await newOrganization(app, ada.user.id);
  await transaction(db(), async (trx) => {
    for (let i = 0; i < 14; i += 1) {
      const now = await trx('organizations').where({ id: acme.id }).first();
      await changeOrganizationProfile(trx, SYSTEM, now, { slug: `many${i}` });
    }
  });
  const kept = await db()('former_slugs')
    .where({ organization_id: acme.id })
    .orderBy('id')
    .pluck('slug');
  expect(kept).toEqual(Array.from({ length: 10 }, (_, i) => `many${i + 3}`));
});
