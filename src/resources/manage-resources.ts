import { v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import {
  findResource,
  insertClientPermissions,
  insertResource,
  listPermissionNames,
  lockResource,
  type Permission,
  type Resource,
  type ResourceColumns,
  removeClientPermissions,
  removeResource,
  updateResource,
} from './store.ts';

/** Characters of a scope token (RFC 6749 §3.3). */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Scopes with a meaning of their own, which no API may claim. */
const RESERVED = new Set([
  ...['openid', 'profile', 'email', 'phone', 'address', 'offline_access'],
  'organizations',
]);

export type ResourceProblem =
  | 'indicator_invalid'
  | 'indicator_taken'
  | 'permission_invalid'
  | 'permission_unknown'
  | 'resource_unknown';

type Result<T> = { ok: true; value: T } | { ok: false; reason: ResourceProblem; detail?: string };

/** Registers an API under its resource indicator: an absolute URI without fragment (RFC 8707 §2). */
export async function createResource(
  trx: Trx,
  origin: Origin,
  input: Omit<Resource, 'id' | 'organizations'> &
    Partial<Pick<Resource, 'organizations'>> & { permissions: Permission[] },
): Promise<Result<Resource>> {
  const { permissions, ...rest } = input;
  if (!URL.canParse(input.indicator) || /[#\p{C}\s]/u.test(input.indicator)) {
    return { ok: false, reason: 'indicator_invalid' };
  }
  const names = permissions.map((p) => p.name);
  const invalid = invalidName(names);
  if (invalid !== undefined) return { ok: false, reason: 'permission_invalid', detail: invalid };
  if (await findResource(trx, input.indicator)) return { ok: false, reason: 'indicator_taken' };
  const resource: Resource = { organizations: 'optional', ...rest, id: uuid() };
  await insertResource(trx, resource, permissions);
  await record(trx, origin, {
    type: 'resource.created',
    data: { indicator: input.indicator, permissions: names },
  });
  return { ok: true, value: resource };
}

/** The first name that no permission can have, or that is there twice. */
function invalidName(names: readonly string[]): string | undefined {
  return names.find(
    (name, i) => !SCOPE_TOKEN.test(name) || RESERVED.has(name) || names.indexOf(name) < i,
  );
}

export type ResourceChange = Partial<ResourceColumns> & {
  /** New permissions, and those that get other words. */
  set: readonly Permission[];
  /** Names of permissions that end: clients and roles lose them. */
  remove: readonly string[];
};

/** Changes an API; its indicator stays. */
export async function changeResource(
  trx: Trx,
  origin: Origin,
  indicator: string,
  { set, remove, ...columns }: ResourceChange,
): Promise<Result<Resource>> {
  const resource = await lockResource(trx, indicator);
  if (resource === undefined) return { ok: false, reason: 'resource_unknown', detail: indicator };
  const invalid = invalidName([...set.map(({ name }) => name), ...remove]);
  if (invalid !== undefined) return { ok: false, reason: 'permission_invalid', detail: invalid };
  const known = await listPermissionNames(trx, resource.id);
  const unknown = remove.find((name) => !known.includes(name));
  if (unknown !== undefined) return { ok: false, reason: 'permission_unknown', detail: unknown };
  const { name, token_format, access_token_ttl, owner_client_id, organizations } = {
    ...resource,
    ...columns,
  };
  const next = { name, token_format, access_token_ttl, owner_client_id, organizations };
  await updateResource(trx, resource.id, next, { set, remove });
  const fields = [
    ...Object.keys(columns),
    ...(set.length + remove.length > 0 ? ['permissions'] : []),
  ];
  await record(trx, origin, { type: 'resource.updated', data: { indicator, fields } });
  return { ok: true, value: { ...resource, ...next } };
}

type Assignment = { clientId: string; indicator: string; permissions: string[] };

/** Lets a client be granted permissions of an API; all of them when none are named. */
export async function assignResource(
  trx: Trx,
  origin: Origin,
  input: Assignment,
): Promise<Result<string[]>> {
  const named = await namedPermissions(trx, input);
  if (!named.ok) return named;
  const { resourceId, permissions } = named.value;
  await insertClientPermissions(trx, input.clientId, resourceId, permissions);
  await recordAssignment(trx, origin, 'resource.assigned', input, permissions);
  return { ok: true, value: permissions };
}

/** Takes permissions from a client, all when none are named: its next token is without them. */
export async function unassignResource(
  trx: Trx,
  origin: Origin,
  input: Assignment,
): Promise<Result<string[]>> {
  const named = await namedPermissions(trx, input);
  if (!named.ok) return named;
  const { resourceId, permissions } = named.value;
  const taken = await removeClientPermissions(trx, input.clientId, resourceId, permissions);
  if (taken.length > 0) {
    await recordAssignment(trx, origin, 'resource.unassigned', input, taken);
  }
  return { ok: true, value: taken };
}

async function namedPermissions(
  trx: Trx,
  { indicator, permissions }: Assignment,
): Promise<Result<{ resourceId: string; permissions: string[] }>> {
  const resource = await findResource(trx, indicator);
  if (resource === undefined) return { ok: false, reason: 'resource_unknown', detail: indicator };
  const known = await listPermissionNames(trx, resource.id);
  const unknown = permissions.find((name) => !known.includes(name));
  if (unknown !== undefined) return { ok: false, reason: 'permission_unknown', detail: unknown };
  const wanted = permissions.length > 0 ? permissions : known;
  return { ok: true, value: { resourceId: resource.id, permissions: wanted } };
}

async function recordAssignment(
  trx: Trx,
  origin: Origin,
  type: 'resource.assigned' | 'resource.unassigned',
  { clientId, indicator }: Assignment,
  permissions: string[],
): Promise<void> {
  await record(trx, origin, { type, clientId, data: { indicator, permissions } });
}

/** Deletes an API: no more tokens for it. @returns whether it was there. */
export async function deleteResource(
  trx: Trx,
  origin: Origin,
  indicator: string,
): Promise<boolean> {
  const found = await removeResource(trx, indicator);
  if (found) await record(trx, origin, { type: 'resource.deleted', data: { indicator } });
  return found;
}
