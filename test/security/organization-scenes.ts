import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../src/organizations/store.ts';
import { openAccount, type Person, type Scene, type Stage, sceneOf, send } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

/** An organization with an owner, and another who can become it. */
async function found(stage: Stage) {
  count += 1;
  const name = `Works ${count}`;
  const [person, other] = [await stage.person(), await stage.person()];
  const organization = await transaction(stage.runtime.deps.db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name, ownerId: person.user.id });
    if (!made.ok) throw new Error(made.reason);
    await insertMembership(trx, made.organization.id, other.user.id, 'added');
    const roles = [BUILTIN_ROLES.owner];
    await insertMembershipRoles(trx, made.organization.id, other.user.id, roles);
    return made.organization;
  });
  return { person, other, organization };
}

/** A form of an owner on a page of the organization. */
const onPage =
  (
    path: string,
    suffix: string,
    fill: (of: {
      organization: Organization;
      other: Person;
    }) => Record<string, string> = () => ({}),
  ): Setter =>
  async (stage) => {
    const { person, other, organization } = await found(stage);
    const at = `/account/organizations/${organization.slug}${path}`;
    const { visitor, page } = await openAccount(stage, person, at);
    const form = sceneOf(
      visitor,
      page,
      `/${organization.id}${suffix}`,
      fill({ organization, other }),
    );
    return { ...form, person };
  };

const atDeletion = onPage('/delete', '/delete', ({ organization }) => ({
  confirmation: organization.slug,
}));

const atNew: Setter = async (stage) => {
  count += 1;
  const person = await stage.person();
  const { visitor, page } = await openAccount(stage, person, '/account/organizations/new');
  const typed = { name: `New works ${count}`, slug: '' };
  return { ...sceneOf(visitor, page, '/new', typed), person };
};

const atList: Setter = async (stage) => {
  const deletion = await atDeletion(stage);
  await send(deletion);
  const page = await deletion.visitor.open(`${stage.issuer}/account/organizations`);
  const person = deletion.person as Person;
  return { ...sceneOf(deletion.visitor, page, '/organizations'), person };
};

const ORGANIZATION = '/account/organizations/:organization';

/** Forms of organizations themselves, by the path of their routes. */
export const ORGANIZATION_FORMS: Readonly<Record<string, Setter>> = {
  '/account/organizations': atList,
  '/account/organizations/new': atNew,
  [ORGANIZATION]: onPage('', '', ({ organization: { slug } }) => ({
    name: 'Renamed works',
    slug: `renamed-${slug}`,
  })),
  [`${ORGANIZATION}/leave`]: onPage('', '/leave'),
  [`${ORGANIZATION}/transfer`]: onPage('/transfer', '/transfer', ({ organization, other }) => ({
    member: other.email,
    confirmation: organization.slug,
  })),
  [`${ORGANIZATION}/delete`]: atDeletion,
};

/** Pages of an organization at whose form somebody is. */
export const ORGANIZATION_PAGES: readonly string[] = ['', '/transfer', '/delete'].map(
  (path) => ORGANIZATION + path,
);
