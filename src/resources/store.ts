import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';

export type Resource = {
  id: string;
  /** The resource indicator of RFC 8707, and the audience of its tokens. */
  indicator: string;
  name: string;
  token_format: 'jwt' | 'opaque';
  /** Seconds; null for the installation's default. */
  access_token_ttl: number | null;
  owner_client_id: string | null;
  /** Whether its tokens name an organization: never, as apps ask, or always. */
  organizations: 'none' | 'optional' | 'required';
};

export type Permission = { name: string; description: string | null };

/** A resource as one client sees it: the permissions it was assigned. */
export type AssignedResource = Resource & { permissions: Permission[] };

const FIND_ASSIGNED = {
  name: 'resource-find-assigned',
  text: `SELECT r.id, r.indicator, r.name, r.token_format, r.access_token_ttl, r.owner_client_id,
      r.organizations,
      coalesce((SELECT json_agg(json_build_object('name', p.name, 'description', p.description)
        ORDER BY p.name) FROM permissions p
        JOIN client_permissions cp ON cp.resource_id = p.resource_id AND cp.permission = p.name
        WHERE p.resource_id = r.id AND cp.client_id = $2), '[]') AS permissions
    FROM resources r WHERE r.indicator = $1`,
};

/** The resource, with the permissions that this client may be granted. */
export async function findAssignedResource(
  db: Db,
  indicator: string,
  clientId: string,
): Promise<AssignedResource | undefined> {
  return (await execute<AssignedResource>(db, FIND_ASSIGNED, [indicator, clientId])).rows[0];
}

/** The resource with this indicator. */
export async function findResource(db: Db, indicator: string): Promise<Resource | undefined> {
  return db('resources').where({ indicator }).first();
}

/** Resources in order of indicator with the names of their permissions, a page after the given one. */
export async function listResources(
  db: Db,
  page: { after?: string | undefined; limit: number },
): Promise<(Resource & { permissions: string[] })[]> {
  const query = db('resources as r')
    .select('r.*')
    .select(
      db.raw(`coalesce((SELECT json_agg(p.name ORDER BY p.name) FROM permissions p
        WHERE p.resource_id = r.id), '[]') AS permissions`),
    )
    .orderBy('r.indicator')
    .limit(page.limit);
  return page.after === undefined ? query : query.where('r.indicator', '>', page.after);
}

/** An API whose permissions roles can give. */
export type OrganizationResource = Pick<Resource, 'indicator' | 'name'> & {
  permissions: Permission[];
};

/** The APIs whose tokens can name an organization, in order of name. */
export async function listOrganizationResources(db: Db): Promise<OrganizationResource[]> {
  return db('resources as r')
    .join('permissions as p', 'p.resource_id', 'r.id')
    .whereNot('r.organizations', 'none')
    .groupBy('r.id')
    .orderByRaw('lower(r.name), r.indicator')
    .select('r.indicator', 'r.name')
    .select(
      db.raw(`json_agg(json_build_object('name', p.name, 'description', p.description)
        ORDER BY p.name) AS permissions`),
    );
}

/** Inserts a resource and its permissions. */
export async function insertResource(
  trx: Trx,
  resource: Resource,
  permissions: Permission[],
): Promise<void> {
  await trx('resources').insert(resource);
  if (permissions.length > 0) {
    await trx('permissions').insert(permissions.map((p) => ({ ...p, resource_id: resource.id })));
  }
}

/** The resource as it is now, held so until the transaction ends. */
export async function lockResource(trx: Trx, indicator: string): Promise<Resource | undefined> {
  return trx('resources').where({ indicator }).forUpdate().first();
}

/** What may change of a resource. */
export type ResourceColumns = Pick<
  Resource,
  'name' | 'token_format' | 'access_token_ttl' | 'owner_client_id' | 'organizations'
>;

/** Changes a resource, and its permissions: new ones, other words for those there are, and an end. */
export async function updateResource(
  trx: Trx,
  id: string,
  columns: ResourceColumns,
  { set, remove }: { set: readonly Permission[]; remove: readonly string[] },
): Promise<void> {
  await trx('permissions').where({ resource_id: id }).whereIn('name', remove).delete();
  if (set.length > 0) {
    await trx('permissions')
      .insert(set.map((permission) => ({ ...permission, resource_id: id })))
      .onConflict(['resource_id', 'name'])
      .merge(['description']);
  }
  // Last, and always: processes that keep resources in memory hear of this table's changes.
  await trx('resources').where({ id }).update(columns);
}

/** A resource's permissions in order of name. */
export async function listPermissions(db: Db, resourceId: string): Promise<Permission[]> {
  return db('permissions')
    .where({ resource_id: resourceId })
    .orderBy('name')
    .select('name', 'description');
}

/** Deletes a resource. @returns whether it was there. */
export async function removeResource(trx: Trx, indicator: string): Promise<boolean> {
  return (await trx('resources').where({ indicator }).delete()) === 1;
}

/** Lets a client be granted these permissions of a resource. @throws foreign_key_violation. */
export async function insertClientPermissions(
  trx: Trx,
  clientId: string,
  resourceId: string,
  permissions: readonly string[],
): Promise<void> {
  if (permissions.length === 0) return;
  await trx('client_permissions')
    .insert(
      permissions.map((permission) => ({
        client_id: clientId,
        resource_id: resourceId,
        permission,
      })),
    )
    .onConflict()
    .ignore();
}

/** What a client may be granted, by resource. */
export async function listClientPermissions(
  db: Db,
  clientId: string,
): Promise<{ indicator: string; permissions: string[] }[]> {
  return db('client_permissions as c')
    .join('resources as r', 'r.id', 'c.resource_id')
    .where('c.client_id', clientId)
    .groupBy('r.indicator')
    .orderBy('r.indicator')
    .select('r.indicator', db.raw('json_agg(c.permission ORDER BY c.permission) AS permissions'));
}

/** Takes permissions of a resource from a client. @returns those it had. */
export async function removeClientPermissions(
  trx: Trx,
  clientId: string,
  resourceId: string,
  permissions: readonly string[],
): Promise<string[]> {
  const rows: { permission: string }[] = await trx('client_permissions')
    .where({ client_id: clientId, resource_id: resourceId })
    .whereIn('permission', permissions)
    .delete()
    .returning('permission');
  return rows.map(({ permission }) => permission).sort();
}

/** Names of a resource's permissions. */
export async function listPermissionNames(db: Db, resourceId: string): Promise<string[]> {
  return db('permissions').where({ resource_id: resourceId }).orderBy('name').pluck('name');
}
