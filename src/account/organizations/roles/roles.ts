import { AppError } from '../../../errors.ts';
import { holds } from '../../../organizations/permissions.ts';
import { createRole, type NewRole, roleKeyOf } from '../../../organizations/roles/create-role.ts';
import { deleteRole } from '../../../organizations/roles/delete-role.ts';
import { mayChange, permissionNames, tidyText } from '../../../organizations/roles/read-role.ts';
import {
  countMembersByRole,
  countRoleUse,
  findRole,
  findRoleByKey,
  isOwnerRole,
  listMembersOfRole,
  listRoles,
  type Role,
} from '../../../organizations/roles/store.ts';
import { updateRole } from '../../../organizations/roles/update-role.ts';
import { findOrganizationFor } from '../../../organizations/store.ts';
import { listOrganizationResources } from '../../../resources/store.ts';
import type { AccountParts } from '../../account.ts';
import {
  changeOrganization,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';
import {
  choicesOf,
  EMPTY,
  type FormProblem,
  problemOf,
  type RoleValues,
  readRoleForm,
  valuesOf,
} from './role-form.ts';

/** Members whom a role's page names; the list of members has the rest. */
const SHOWN_MEMBERS = 10;

type Shown = {
  /** Undefined for a new one. */
  role?: Role | undefined;
  values: RoleValues;
  error?: FormProblem | undefined;
};

/** The roles that an organization has, and the making of its own. */
export function rolePages(pages: OrganizationPages, parts: AccountParts): void {
  pages.page('/roles', 'roles:manage', (visit) => showRoles(parts, visit));
  pages.page('/roles/new', 'roles:manage', (visit) => showRole(parts, visit, { values: EMPTY }));
  pages.action('/roles/new', 'roles:manage', (visit, form) => create(parts, visit, form));
  pages.page('/roles/:role', 'roles:manage', async (visit) => {
    const role = await getRole(parts, visit);
    await showRole(parts, visit, { role, values: valuesOf(role) });
  });
  pages.action('/roles/:role', 'roles:manage', (visit, form) => update(parts, visit, form));
  pages.action('/roles/:role/delete', 'roles:manage', (visit, form) => remove(parts, visit, form), {
    back: '/roles',
  });
}

async function showRoles({ deps: { db } }: AccountParts, visit: OrganizationVisit): Promise<void> {
  const { id } = visit.organization;
  const roles = await listRoles(db, id);
  const members = await countMembersByRole(db, id);
  const apiNames = new Map(
    (await listOrganizationResources(db)).map(({ indicator, name }) => [indicator, name]),
  );
  const described = roles.map(({ api, ...role }) => ({
    ...role,
    owner: isOwnerRole(role),
    members: members.get(role.id) ?? 0,
    apis: Object.entries(api).map(([indicator, permissions]) => ({
      name: apiNames.get(indicator) ?? indicator,
      permissions,
    })),
  }));
  visit.show('organization-roles', {
    ownRoles: described.filter(({ organization_id }) => organization_id !== null),
    builtinRoles: described.filter(({ builtin }) => builtin),
    sharedRoles: described.filter((role) => role.organization_id === null && !role.builtin),
    canSeeMembers: visit.can('members:read'),
  });
}

async function showRole(parts: AccountParts, visit: OrganizationVisit, shown: Shown) {
  const { db } = parts.deps;
  const { organization } = visit;
  const { role, values, error } = shown;
  const use = role && (await countRoleUse(db, role.id, organization.id));
  const seen = role !== undefined && visit.can('members:read');
  const people = seen ? await listMembersOfRole(db, organization.id, role.id, SHOWN_MEMBERS) : [];
  const locals = {
    role,
    values,
    error,
    use,
    people,
    fixed: role && whyFixed(visit, role),
    canSeeMembers: visit.can('members:read'),
    proof: role && parts.csrf.token(bindingOf(visit, role.id)),
    ...(await choicesOf(db, organization.context, values)),
  };
  visit.show('organization-role', locals, error === undefined ? 200 : 422);
  return undefined;
}

/** Why somebody can't change a role. */
function whyFixed({ organization }: OrganizationVisit, role: Role): string | undefined {
  if (role.builtin) return 'builtin';
  if (role.organization_id === null) return 'shared';
  return mayChange(organization.context, role) ? undefined : 'exceeds';
}

/** @throws AppError not_found */
async function getRole({ deps: { db } }: AccountParts, visit: OrganizationVisit): Promise<Role> {
  const role = await findRole(db, visit.organization.id, String(visit.ctx.params.role));
  if (role === undefined) throw new AppError('not_found');
  return role;
}

async function create(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const { values, wish, problem } = readRoleForm(form, ['name', 'key', 'description']);
  if (problem !== undefined) return showRole(parts, visit, { values, error: problem });
  const result = await changeOrganization(
    parts,
    visit,
    'roles:manage',
    async (trx, { id: organizationId, context }) => {
      const wanted = { ...wish, organizationId };
      const made = await createRole(trx, visit.origin, context, wanted);
      if (made.ok) return made;
      // The same form may be sent twice.
      const there = await findRoleByKey(
        trx,
        organizationId,
        wish.key.trim() || roleKeyOf(wish.name),
      );
      return there && isSame(there, wanted) ? ({ ok: true } as const) : made;
    },
  );
  if (result.ok) return '/roles?done=role_created';
  return showRole(parts, visit, { values, error: problemOf(result) });
}

function isSame(role: Role, { organizationId, name, description, ...wish }: NewRole): boolean {
  const wanted = { permissions: [...wish.permissions], api: wish.api as Role['api'] };
  return (
    role.organization_id === organizationId &&
    role.name === tidyText(name) &&
    (role.description ?? '') === tidyText(description) &&
    permissionNames(role).sort().join('\n') === permissionNames(wanted).sort().join('\n')
  );
}

async function update(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const role = await getRole(parts, visit);
  if (whyFixed(visit, role) !== undefined) throw new AppError('forbidden');
  const { values, wish, problem } = readRoleForm(form, ['name', 'description']);
  const shown = { role, values: { ...values, key: role.key } };
  if (problem !== undefined) return showRole(parts, visit, { ...shown, error: problem });
  const { key: _fixed, ...change } = wish;
  const result = await changeOrganization(parts, visit, 'roles:manage', (trx, { id, context }) =>
    updateRole(trx, visit.origin, context, { organizationId: id, id: role.id }, () => change),
  );
  if (result.ok) {
    // They may have managed roles by this one.
    return `${(await stillManages(parts, visit)) ? `/roles/${role.id}` : ''}?done=role_saved`;
  }
  if (result.reason === 'role_unknown') throw new AppError('not_found');
  if (result.reason === 'fixed' || result.reason === 'exceeds') throw new AppError('forbidden');
  return showRole(parts, visit, { ...shown, error: problemOf(result) });
}

async function stillManages(
  { deps: { db } }: AccountParts,
  { organization, user }: OrganizationVisit,
): Promise<boolean> {
  const now = await findOrganizationFor(db, organization.id, user.id);
  return now?.context ? holds(now.context, 'roles:manage') : false;
}

async function remove(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
): Promise<string | undefined> {
  const id = String(visit.ctx.params.role);
  const role = await findRole(parts.deps.db, visit.organization.id, id);
  if (role !== undefined && whyFixed(visit, role) !== undefined) throw new AppError('forbidden');
  if (role !== undefined && (form.confirmation ?? '').trim().toLowerCase() !== role.key) {
    return showRole(parts, visit, { role, values: valuesOf(role), error: { key: 'confirmation' } });
  }
  const result = await changeOrganization(parts, visit, 'roles:manage', (trx, organization) =>
    deleteRole(trx, visit.origin, organization.context, { organizationId: organization.id, id }),
  );
  // The same form may be sent twice: the role is gone then, but it was on a page of ours.
  const gone = !result.ok && result.reason === 'role_unknown';
  if (result.ok || (gone && parts.csrf.isOurs(visit.ctx, bindingOf(visit, id), form.proof))) {
    return `${(await stillManages(parts, visit)) ? '/roles' : ''}?done=role_deleted`;
  }
  throw new AppError(gone ? 'not_found' : 'forbidden');
}

function bindingOf({ organization, session }: OrganizationVisit, roleId: string): string {
  return `role ${organization.id} ${roleId} ${session.uid}`;
}
