import { findJoinable } from '../../organizations/domains/join.ts';
import { listOpenInvitations } from '../../organizations/invitations/list-sql.ts';
import type { Account, AccountParts } from '../account.ts';
import { activityPages } from './activity/activity.ts';
import { brandingPages } from './branding/branding.ts';
import { domainPages } from './domains/domains.ts';
import { joinPages } from './domains/join.ts';
import { invitationPages } from './invitations/invitations.ts';
import { ownInvitationPages } from './invitations/own-invitation.ts';
import { memberPages } from './members/members.ts';
import { createOrganizationPages } from './organization-pages.ts';
import { policyPages } from './policies/policies.ts';
import { organizationProfilePages } from './profile/routes.ts';
import { rolePages } from './roles/roles.ts';

/**
 * Organizations of the person who is signed in:
 *
 *   /account/organizations               theirs, invitations to others, and those they may join
 *   /account/organizations/new           another one
 *   /account/organizations/:organization and below: its pages (organization-pages.ts has the list)
 */
export function organizationRoutes(account: Account, parts: AccountParts): void {
  joinPages(account, parts);
  const pages = createOrganizationPages(account, parts);
  organizationProfilePages(account, pages, parts, {
    invitations: async (user) =>
      (await listOpenInvitations(parts.deps.db, user)).map(({ id, organization }) => ({
        name: organization.name,
        path: `/invitations/${id}`,
      })),
    joinable: (user) => findJoinable(parts.deps.db, user),
  });
  brandingPages(pages, parts);
  activityPages(pages, parts);
  memberPages(pages, parts);
  domainPages(pages, parts);
  policyPages(pages, parts);
  rolePages(pages, parts);
  invitationPages(pages, parts);
  ownInvitationPages(account, parts);
}
