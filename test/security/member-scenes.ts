import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { addMember } from '../../src/organizations/members/add-member.ts';
import { suspendMember } from '../../src/organizations/members/set-member-status.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { openAccount, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

/** A form of an owner about another member. */
const atMember =
  (name: string, typed: Record<string, string> = {}): Setter =>
  async (stage) => {
    count += 1;
    const slug = `members-${count}`;
    const [person, member] = [await stage.person(), await stage.person()];
    await transaction(stage.runtime.deps.db, async (trx) => {
      const made = await createOrganization(trx, SYSTEM, { name: slug, ownerId: person.user.id });
      if (!made.ok) throw new Error(made.reason);
      const whose = { organizationId: made.organization.id, userId: member.user.id };
      const actor = 'installation';
      const roleIds = [BUILTIN_ROLES.member];
      await addMember(trx, SYSTEM, { ...whose, actor, roleIds, source: 'added' });
      if (name === 'activate') await suspendMember(trx, SYSTEM, { ...whose, actor });
    });
    const at = `/account/organizations/${slug}/members/${member.user.id}`;
    const { visitor, page } = await openAccount(stage, person, at);
    const fields = name === 'remove' ? { confirmation: member.email } : typed;
    return { ...sceneOf(visitor, page, `/${name}`, fields), person };
  };

const MEMBER = '/account/organizations/:organization/members/:user';

/** Forms about a member, by the path of their routes. */
export const MEMBER_FORMS: Readonly<Record<string, Setter>> = {
  [`${MEMBER}/roles`]: atMember('roles', { [BUILTIN_ROLES.admin]: 'yes' }),
  [`${MEMBER}/suspend`]: atMember('suspend'),
  [`${MEMBER}/activate`]: atMember('activate'),
  [`${MEMBER}/remove`]: atMember('remove'),
};

const toMember = ({ action }: Scene) => action.replace(/\/[^/]+$/, '');

/** Where pages of members are, for whoever is at a form about one. */
export const MEMBER_PAGES: Readonly<Record<string, (scene: Scene) => string>> = {
  [MEMBER]: toMember,
  '/account/organizations/:organization/members': (scene) =>
    toMember(scene).replace(/\/[^/]+$/, ''),
};
