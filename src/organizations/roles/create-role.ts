import { v7 as uuid } from 'uuid';
import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { slugOf } from '../slug.ts';
import {
  permissionNames,
  type RoleActor,
  type RoleProblem,
  type RoleWish,
  readRole,
} from './read-role.ts';
import { countOwnRoles, insertRole, type Role, replaceRolePermissions } from './store.ts';

/** Most roles of its own that an organization has. */
export const MAX_OWN_ROLES = 50;

const KEY = /^[a-z][a-z0-9_-]{0,62}$/;

export type NewRole = RoleWish & {
  /** Null for a role of all organizations. */
  organizationId: string | null;
  /** Made of the name when it is ''. */
  key: string;
};

export type CreateRoleResult =
  | { ok: true; role: Role }
  | {
      ok: false;
      reason: RoleProblem | 'key_invalid' | 'key_taken' | 'too_many';
      detail?: string;
    };

/**
 * Makes a role; nobody makes one that gives what they lack. Whoever calls it for an organization holds
 * that (`lockOrganizationFor`).
 */
export async function createRole(
  trx: Trx,
  origin: Origin,
  actor: RoleActor,
  { organizationId, key: wanted, ...wish }: NewRole,
): Promise<CreateRoleResult> {
  const read = await readRole(trx, actor, wish);
  if (!read.ok) return read;
  const key = wanted.trim() || roleKeyOf(read.draft.name);
  if (!KEY.test(key)) return { ok: false, reason: 'key_invalid' };
  if (organizationId !== null && (await countOwnRoles(trx, organizationId)) >= MAX_OWN_ROLES) {
    return { ok: false, reason: 'too_many' };
  }
  const { api, ...columns } = read.draft;
  const row = { id: uuid(), organization_id: organizationId, key, ...columns };
  if (!(await insertRole(trx, row))) return { ok: false, reason: 'key_taken' };
  await replaceRolePermissions(trx, row.id, api);
  const role = { ...row, builtin: false, api };
  await record(trx, origin, {
    ...(organizationId === null ? {} : { organizationId }),
    type: 'role.created',
    data: { key, permissions: permissionNames(role) },
  });
  return { ok: true, role };
}

/** The key that a role of this name is given; '' when nothing of it can be in one. */
export function roleKeyOf(name: string): string {
  return slugOf(name).replace(/^[^a-z]+/, '');
}
