import type { Db } from '../../deps.ts';

/** Somebody or something that events of an organization name. */
export type Named = {
  kind: 'user' | 'client' | 'invitation';
  id: string;
  name: string | null;
  /** Or username. */
  address: string | null;
  member: boolean;
  administrator: boolean;
};

/** What those that events of an organization name are called; who is gone is left out. */
export async function findNames(
  db: Db,
  organizationId: string,
  ids: { users: string[]; clients: string[]; invitations: string[] },
): Promise<Named[]> {
  const { rows } = await db.raw<{ rows: Named[] }>(
    `SELECT 'user' AS kind, u.id::text,
        coalesce(nullif(u.name, ''), nullif(concat_ws(' ', u.given_name, u.family_name), '')) AS name,
        coalesce(u.email, u.username) AS address, m.user_id IS NOT NULL AS member, u.administrator
      FROM users u
      LEFT JOIN memberships m ON m.organization_id = :organizationId AND m.user_id = u.id
      WHERE u.id = ANY (:users::uuid[])
    UNION ALL
    SELECT 'client', c.id, c.name, NULL, false, false FROM clients c WHERE c.id = ANY (:clients)
    UNION ALL
    SELECT 'invitation', i.id::text, NULL, i.email, false, false FROM invitations i
      WHERE i.organization_id = :organizationId AND i.id = ANY (:invitations::uuid[])`,
    { organizationId, ...ids },
  );
  return rows;
}

/** The names of those of these organizations that there are. */
export async function findOrganizationNames(db: Db, ids: string[]): Promise<Map<string, string>> {
  const rows =
    ids.length === 0 ? [] : await db('organizations').whereIn('id', ids).select('id', 'name');
  return new Map(rows.map(({ id, name }) => [id, name]));
}
