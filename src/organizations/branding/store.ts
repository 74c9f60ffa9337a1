import { execute } from '../../db/prepared.ts';
import type { Db, Trx } from '../../deps.ts';
import { slugOrId } from '../store.ts';

export type Logo = { id: string; content: Buffer };

/** What pages of an organization wear; `logo` is its id. */
export type BrandingRow = { id: string; name: string; accent: string | null; logo: string | null };

const FIND_BRANDING = {
  name: 'organization-branding',
  text: `SELECT o.id, o.name, o.accent, l.id AS logo
    FROM organizations o LEFT JOIN organization_logos l ON l.organization_id = o.id
    WHERE (o.slug = $1 OR o.id = $2::uuid) AND o.delete_after IS NULL`,
};

/** What is worn for the organization with this slug or id, unless it is being deleted. */
export async function findBrandingRow(
  db: Db,
  organization: string,
): Promise<BrandingRow | undefined> {
  return (await execute<BrandingRow>(db, FIND_BRANDING, slugOrId(organization))).rows[0];
}

/** The logo with this id. */
export async function findLogo(db: Db, id: string): Promise<Logo | undefined> {
  return db('organization_logos').where({ id }).first('id', 'content');
}

/** An organization's logo. */
export async function findLogoOf(db: Db, organizationId: string): Promise<Logo | undefined> {
  return db('organization_logos').where({ organization_id: organizationId }).first('id', 'content');
}

/** Stores an organization's logo in place of the one before, whose address then leads nowhere. */
export async function replaceLogo(trx: Trx, organizationId: string, logo: Logo): Promise<void> {
  await deleteLogo(trx, organizationId);
  await trx('organization_logos').insert({ ...logo, organization_id: organizationId });
}

/** Deletes an organization's logo. @returns whether there was one. */
export async function deleteLogo(trx: Trx, organizationId: string): Promise<boolean> {
  const count = await trx('organization_logos').where({ organization_id: organizationId }).delete();
  return count > 0;
}
