import { isId } from '../db/id.ts';
import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';
import type { Held } from './permissions.ts';

/** First factors that an organization may insist on. */
export type SignInMethod = 'password' | 'email' | 'passkey';

export type Organization = {
  id: string;
  slug: string;
  name: string;
  metadata: Record<string, unknown>;
  /** `#rrggbb` in lower case. */
  accent: string | null;
  mfa_required: boolean;
  /** Null for all. */
  sign_in_methods: SignInMethod[] | null;
  /** Null for the installation's own limit. */
  session_seconds: number | null;
  members_may_invite: boolean;
  join_by_domain: boolean;
  /** Set once its deletion was asked for: nobody signs in to it from then on. */
  delete_after: Date | null;
  created_at: Date;
  updated_at: Date;
};

/** An organization as one of its active members has it: what tokens say, and what rules apply. */
export type OrganizationContext = Held & {
  id: string;
  slug: string;
  name: string;
  /** Keys, sorted. */
  roles: string[];
  mfaRequired: boolean;
  signInMethods: SignInMethod[] | null;
  sessionSeconds: number | null;
};

export type MembershipSource = 'created' | 'added' | 'invited' | 'domain' | 'sso' | 'scim';

const COLUMNS = `o.id, o.slug, o.name, o.metadata, o.accent, o.mfa_required, o.sign_in_methods,
  o.session_seconds, o.members_may_invite, o.join_by_domain, o.delete_after, o.created_at, o.updated_at`;

const FIND = {
  name: 'organization-find',
  text: `SELECT ${COLUMNS} FROM organizations o WHERE o.slug = $1 OR o.id = $2::uuid`,
};

const FIND_FOR = {
  name: 'organization-find-for',
  text: `SELECT ${COLUMNS}, m.status AS membership, organization_context(o.id, $3::uuid) AS context
    FROM organizations o LEFT JOIN memberships m ON m.organization_id = o.id AND m.user_id = $3::uuid
    WHERE o.slug = $1 OR o.id = $2::uuid`,
};

/**
 * How an organization is named: by its slug, or by its id. What $1 and $2 of statements that find one
 * are for a name that anybody may have made up.
 */
export function slugOrId(organization: string): [slug: string | null, id: string | null] {
  if (organization.includes('\0')) return [null, null];
  return isId(organization) ? [null, organization] : [organization, null];
}

/** The organization with this slug or id, whatever its state. */
export async function findOrganization(
  db: Db,
  organization: string,
): Promise<Organization | undefined> {
  return (await execute<Organization>(db, FIND, slugOrId(organization))).rows[0];
}

/** An organization, and what one person is in it. */
export type OrganizationFor = Organization & {
  membership: 'active' | 'suspended' | null;
  /** What they hold, while they are an active member and it isn't being deleted. */
  context: OrganizationContext | null;
};

/** The organization with this slug or id as it is for a person, in one round trip. */
export async function findOrganizationFor(
  db: Db,
  organization: string,
  userId: string,
): Promise<OrganizationFor | undefined> {
  const values = [...slugOrId(organization), userId];
  return (await execute<OrganizationFor>(db, FIND_FOR, values)).rows[0];
}

/**
 * The organization as it is for a person now, held until the transaction ends: every change of an
 * organization begins so, one after the other, and decides by what is there (and two never wait for
 * each other).
 */
export async function lockOrganizationFor(
  trx: Trx,
  id: string,
  userId: string | undefined,
): Promise<OrganizationFor | undefined> {
  await trx('organizations').where({ id }).forNoKeyUpdate().first('id');
  const { rows } = await trx.raw<{ rows: OrganizationFor[] }>(
    `SELECT ${COLUMNS}, m.status AS membership,
        organization_context(o.id, :userId::uuid) AS context
      FROM organizations o
      LEFT JOIN memberships m ON m.organization_id = o.id AND m.user_id = :userId::uuid
      WHERE o.id = :id`,
    { id, userId: userId ?? null },
  );
  return rows[0];
}

/** An organization in a person's list. */
export type OrganizationEntry = Pick<Organization, 'id' | 'slug' | 'name'> & { roles: string[] };

/**
 * The organizations that a person is an active member of, in order of name.
 *
 * @param limit at most so many; all unless given.
 */
export async function listOrganizationsOf(
  db: Db,
  userId: string,
  limit?: number,
): Promise<OrganizationEntry[]> {
  return (await execute<OrganizationEntry>(db, LIST_OF, [userId, limit ?? null])).rows;
}

const LIST_OF = {
  name: 'organizations-of',
  text: `SELECT o.id, o.slug, o.name, coalesce((SELECT json_agg(r.key ORDER BY r.key)
        FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
        WHERE mr.organization_id = m.organization_id AND mr.user_id = m.user_id), '[]') AS roles
    FROM memberships m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = $1 AND m.status = 'active' AND o.delete_after IS NULL
    ORDER BY lower(o.name), o.id LIMIT $2`,
};

/** Organizations in order of slug, a page after the given one. */
export async function listOrganizations(
  db: Db,
  page: { after?: string | undefined; limit: number },
): Promise<Organization[]> {
  const query = db('organizations').orderBy('slug').limit(page.limit);
  return page.after === undefined ? query : query.where('slug', '>', page.after);
}

/** Inserts an organization, unless its slug is taken. */
export async function insertOrganization(
  trx: Trx,
  organization: Pick<Organization, 'id' | 'slug' | 'name'>,
): Promise<Organization | undefined> {
  const [row] = await trx('organizations')
    .insert(organization)
    .onConflict('slug')
    .ignore()
    .returning('*');
  return row;
}

/** What may change of an organization. */
export type OrganizationChange = Partial<
  Omit<Organization, 'id' | 'delete_after' | 'created_at' | 'updated_at'>
>;

/** Changes an organization. @throws the driver's unique_violation when the slug is taken. */
export async function updateOrganization(
  trx: Trx,
  id: string,
  { metadata, ...columns }: OrganizationChange,
): Promise<Organization> {
  const [row] = await trx('organizations')
    .where({ id })
    .update({
      ...columns,
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(metadata) }),
      updated_at: trx.fn.now(),
    })
    .returning('*');
  return row;
}

/** Makes somebody a member, unless they are. @returns whether they weren't. */
export async function insertMembership(
  trx: Trx,
  organizationId: string,
  userId: string,
  source: MembershipSource,
): Promise<boolean> {
  const row = { organization_id: organizationId, user_id: userId, source };
  const rows = await trx('memberships').insert(row).onConflict().ignore().returning('user_id');
  return rows.length === 1;
}

/** Gives a member roles that the organization has; those they have already stay. */
export async function insertMembershipRoles(
  trx: Trx,
  organizationId: string,
  userId: string,
  roleIds: readonly string[],
): Promise<void> {
  await trx.raw(
    `INSERT INTO membership_roles (organization_id, user_id, role_id, role_scope)
     SELECT :organizationId, :userId, id, scope FROM roles
     WHERE id = ANY (:roleIds::uuid[]) AND (organization_id IS NULL OR organization_id = :organizationId)
     ON CONFLICT DO NOTHING`,
    { organizationId, userId, roleIds: [...roleIds] },
  );
}
