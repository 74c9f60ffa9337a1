import type { Db } from '../../deps.ts';
import { findOrganization, type Organization } from '../../organizations/store.ts';

/** What an argument that names an organization may be. */
export const ORGANIZATION = 'slug or id';

/** The organization that an argument names. @throws Error when nothing goes by this. */
export async function getOrganization(db: Db, name: string): Promise<Organization> {
  const organization = await findOrganization(db, name);
  if (organization !== undefined) return organization;
  throw new Error(`there is no organization ${name}: \`plinto org list\` shows which there are`);
}

/** The same of one that isn't being deleted. @throws Error that says so. */
export async function getActiveOrganization(db: Db, name: string): Promise<Organization> {
  const organization = await getOrganization(db, name);
  if (organization.delete_after === null) return organization;
  throw new Error(`the organization ${organization.slug} is being deleted`);
}
