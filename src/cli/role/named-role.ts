import type { Db, Trx } from '../../deps.ts';
import type { CreateRoleResult } from '../../organizations/roles/create-role.ts';
import type { DeleteRoleResult } from '../../organizations/roles/delete-role.ts';
import { findRoleByKey, type Role } from '../../organizations/roles/store.ts';
import type { UpdateRoleResult } from '../../organizations/roles/update-role.ts';
import { lockOrganizationFor, type Organization } from '../../organizations/store.ts';
import { getOrganization } from '../org/named-organization.ts';

/** Whose roles a command is about. */
export type Whose = { organization?: string };

/** The organization that `--organization` names; undefined for the roles of all. */
export async function whose(db: Db, options: Whose): Promise<Organization | undefined> {
  return options.organization === undefined
    ? undefined
    : await getOrganization(db, options.organization);
}

/** Every change of an organization begins so. */
export async function hold(trx: Trx, organization: Organization | undefined): Promise<void> {
  if (organization !== undefined) await lockOrganizationFor(trx, organization.id, undefined);
}

/** The role with this key. @throws Error when there is none. */
export async function getRole(
  db: Db,
  organization: Organization | undefined,
  key: string,
): Promise<Role> {
  const role = await findRoleByKey(db, organization?.id ?? null, key);
  if (role !== undefined) return role;
  const whoseRole = organization === undefined ? '' : ` in ${organization.slug}`;
  throw new Error(
    `there is no role ${key}${whoseRole}: \`plinto role list\` shows which there are`,
  );
}

/** A role as commands print one. */
export function describeRole(role: Role) {
  const { id, key, name, description, builtin, permissions, api } = role;
  return { id, key, name, description, builtin, permissions, api };
}

type Refused = Extract<CreateRoleResult | UpdateRoleResult | DeleteRoleResult, { ok: false }> & {
  detail?: string;
};

/** Says why a role wasn't made or changed. */
export function refusal({ reason, detail }: Refused, key: string): Error {
  return new Error(explain(reason, detail ?? '', key));
}

function explain(reason: Refused['reason'], what: string, key: string): string {
  switch (reason) {
    case 'name_missing':
      return 'give the role a name of at most 60 characters with --name';
    case 'description_long':
      return 'a description has at most 200 characters';
    case 'key_invalid':
      return 'a key begins with a letter and has at most 63 small letters, digits, dashes, underscores: set --key';
    case 'key_taken':
      return 'the key is taken: here, by a role of all organizations, or by one of an organization';
    case 'too_many':
      return 'an organization has at most 50 roles of its own';
    case 'permission_unknown':
      return `there is no permission ${what}: see --help for Plinto's own, \`plinto resource list\` for those of APIs that serve organizations`;
    case 'fixed':
      return `${key} is built in or of all organizations: only \`role grant\` and \`role revoke\` without --organization change it, and owner never`;
    case 'not_held':
    case 'exceeds':
      return `${key} gives more than you may give`;
    case 'role_unknown':
      return `there is no role ${key} any more`;
  }
}
