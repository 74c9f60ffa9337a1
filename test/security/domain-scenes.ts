import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { addDomain } from '../../src/organizations/domains/add-domain.ts';
import { verifyDomain } from '../../src/organizations/domains/verify-domain.ts';
import { updateOrganization } from '../../src/organizations/store.ts';
import { openAccount, type Person, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

/** An organization of somebody new, with a domain that waits for its record. */
async function makeOrganization(stage: Stage) {
  count += 1;
  const slug = `domains-${count}`;
  const owner = await stage.person();
  const { db, randomBytes } = stage.runtime.deps;
  return transaction(db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name: slug, ownerId: owner.user.id });
    if (!made.ok) throw new Error(made.reason);
    const { id } = made.organization;
    const added = await addDomain(trx, { randomBytes }, SYSTEM, id, `${slug}.example`);
    if (!added.ok) throw new Error(added.reason);
    return { id, slug, owner, domain: added.domain };
  });
}

/** A form on a page of that organization. */
const inOrganization =
  (path: string, suffix: string, typed: Record<string, string> = {}): Setter =>
  async (stage) => {
    const { slug, owner: person, domain } = await makeOrganization(stage);
    const value = `plinto-verification=${domain.token}`;
    stage.dns.zone.set(`_plinto-challenge.${domain.name}`, { txt: [value] });
    const at = `/account/organizations/${slug}${path}`;
    const { visitor, page } = await openAccount(stage, person, at);
    return { ...sceneOf(visitor, page, suffix, typed), person };
  };

/** Somebody whose colleagues let them in. */
const atJoin: Setter = async (stage) => {
  const { id, domain } = await makeOrganization(stage);
  await transaction(stage.runtime.deps.db, async (trx) => {
    await verifyDomain(trx, SYSTEM, domain, 'found');
    await updateOrganization(trx, id, { join_by_domain: true });
  });
  const email = `colleague@${domain.name}`;
  const person: Person = { ...(await stage.person({ email })), email };
  const { visitor, page } = await openAccount(stage, person, '/account/organizations');
  return { ...sceneOf(visitor, page, '/organizations/join'), person };
};

const ORGANIZATION = '/account/organizations/:organization';

/** Forms of an organization's domains and rules, by the path of their routes. */
export const DOMAIN_FORMS: Readonly<Record<string, Setter>> = {
  '/account/organizations/join': atJoin,
  [`${ORGANIZATION}/domains`]: inOrganization('/domains', '/domains', { domain: 'new.example' }),
  [`${ORGANIZATION}/domains/verify`]: inOrganization('/domains', '/domains/verify'),
  [`${ORGANIZATION}/domains/remove`]: inOrganization('/domains', '/domains/remove'),
  [`${ORGANIZATION}/policies`]: inOrganization('/policies', '/policies', {
    members_may_invite: 'yes',
  }),
};
