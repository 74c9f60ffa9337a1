import type { Db } from '../../deps.ts';
import { findOrganization, type Organization } from '../../organizations/store.ts';
import type { Answer } from '../terminal/output.ts';

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

/** What people are told of a change, and programs of the organization as it is now. */
export function answer(organization: Organization, line: string): Answer {
  return { value: describe(organization), lines: [line] };
}

/** An organization as commands print one. */
export function describe(organization: Organization) {
  const { session_seconds: seconds } = organization;
  return {
    id: organization.id,
    slug: organization.slug,
    name: organization.name,
    accent: organization.accent,
    mfa: organization.mfa_required ? 'required' : 'inherit',
    methods: organization.sign_in_methods,
    session_hours: seconds === null ? null : seconds / 3600,
    members_may_invite: organization.members_may_invite,
    join_by_domain: organization.join_by_domain,
    metadata: organization.metadata,
    delete_after: organization.delete_after,
    created_at: organization.created_at,
    updated_at: organization.updated_at,
  };
}
