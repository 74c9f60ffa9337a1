import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { createRole } from '../../src/organizations/roles/create-role.ts';
import { openAccount, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

/** A form on the pages of somebody's own organization, which has a role. */
function atRoles(
  path: (roleId: string) => string,
  suffix: string,
  typed: Record<string, string>,
): Setter {
  return async (stage) => {
    const person = await stage.person();
    count += 1;
    const slug = `roles-${count}`;
    const id = await transaction(stage.runtime.deps.db, async (trx) => {
      const made = await createOrganization(trx, SYSTEM, {
        ...{ name: 'Harbour', slug, ownerId: person.user.id },
      });
      if (!made.ok) throw new Error(made.reason);
      const wish = { name: 'Support', key: 'support', description: '', permissions: [], api: {} };
      const wanted = { ...wish, organizationId: made.organization.id };
      const role = await createRole(trx, SYSTEM, 'installation', wanted);
      if (!role.ok) throw new Error(role.reason);
      return role.role.id;
    });
    const where = `/account/organizations/${slug}/roles${path(id)}`;
    const { visitor, page } = await openAccount(stage, person, where);
    return { ...sceneOf(visitor, page, suffix, typed), person };
  };
}

/** The forms of an organization's roles, by the path of their route. */
export const ORGANIZATION_ROLE_FORMS: Readonly<Record<string, Setter>> = {
  '/account/organizations/:organization/roles/new': atRoles(() => '/new', '/new', {
    ...{ name: 'Billing', key: 'billing', description: 'Sees invoices' },
    'permission-1': 'members:read',
  }),
  '/account/organizations/:organization/roles/:role': async (stage) => {
    const scene = await atRoles((id) => `/${id}`, '/delete', {})(stage);
    const { proof: _other, ...fields } = scene.fields;
    const action = scene.action.replace(/\/delete$/, '');
    return { ...scene, action, fields: { ...fields, name: 'Help desk', description: '' } };
  },
  '/account/organizations/:organization/roles/:role/delete': atRoles((id) => `/${id}`, '/delete', {
    confirmation: 'support',
  }),
};

const ROLES = '/account/organizations/:organization/roles';

/** Where pages of roles are, by the path of their route, from the form to a role. */
export const ORGANIZATION_ROLE_PAGES: Readonly<Record<string, (scene: Scene) => string>> = {
  [ROLES]: ({ action }) => action.replace(/\/[^/]+$/, ''),
  [`${ROLES}/new`]: ({ action }) => action.replace(/[^/]+$/, 'new'),
  [`${ROLES}/:role`]: ({ action }) => action,
};
