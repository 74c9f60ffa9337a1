import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import type { Organization } from '../../src/organizations/store.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import type { Page, Visitor } from '../support/visitor.ts';
import { type Person, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

async function createOwned(stage: Stage, { user }: Person): Promise<Organization> {
  count += 1;
  const name = `Scene ${count}`;
  const created = await transaction(stage.runtime.deps.db, (trx) =>
    createOrganization(trx, SYSTEM, { name, ownerId: user.id }),
  );
  if (!created.ok) throw new Error(created.reason);
  return created.organization;
}

/** Past the password, on the way in to an organization. */
async function pastPassword(
  stage: Stage,
  person: Person,
  organization: string,
): Promise<{ visitor: Visitor; page: Page }> {
  const visitor = stage.browser();
  const login = await visitor.open(authorizationUrl(stage, stage.clientId, { organization }));
  const fields = { identifier: person.email, password: PASSWORD };
  return { visitor, page: await visitor.submit(login, '/login', fields, CALLBACK) };
}

const atChoice: Setter = async (stage) => {
  const person = await stage.person();
  await createOwned(stage, person);
  const { id: organization } = await createOwned(stage, person);
  const { visitor, page } = await pastPassword(stage, person, '*');
  return { ...sceneOf(visitor, page, '/choose-organization', { organization }), person };
};

const atJoining: Setter = async (stage) => {
  const { id, slug } = await createOwned(stage, await stage.person());
  const domain = `${slug}.example`;
  const { db } = stage.runtime.deps;
  await db('organizations').where({ id }).update({ join_by_domain: true });
  const proven = { organization_id: id, name: domain, token: 'proven', verified_at: db.fn.now() };
  await db('domains').insert({ id: db.raw('gen_random_uuid()'), ...proven });
  const email = `colleague@${domain}`;
  const person = { ...(await stage.person({ email })), email };
  const { visitor, page } = await pastPassword(stage, person, slug);
  return { ...sceneOf(visitor, page, '/join-organization'), person };
};

/** The forms of signing in to an organization. */
export const ORGANIZATION_SIGN_IN_FORMS: Readonly<Record<string, Setter>> = {
  '/interaction/:uid/choose-organization': atChoice,
  '/interaction/:uid/join-organization': atJoining,
};
