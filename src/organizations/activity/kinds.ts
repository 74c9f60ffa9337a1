/** What can be looked for in an organization's log: types of event, or their first parts. */
export const KINDS: Readonly<Record<string, readonly string[]>> = {
  sign_ins: ['sign_in'],
  members: ['member', 'organization.owner_transferred'],
  invitations: ['invitation'],
  roles: ['role'],
  domains: ['domain'],
  settings: [
    'organization.created',
    'organization.updated',
    'organization.policies_updated',
    'organization.deletion_requested',
    'organization.deletion_cancelled',
    'organization.deleted',
    'client',
    'activity',
  ],
};
