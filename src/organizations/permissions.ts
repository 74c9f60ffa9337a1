/** What somebody may do with an organization's pages; the permissions of APIs are in `permissions`. */
export const OWN_PERMISSIONS = [
  'organization:update',
  'organization:delete',
  'policies:manage',
  'members:read',
  'members:invite',
  'members:manage',
  'roles:manage',
  'domains:manage',
  'activity:read',
] as const;
export type OwnPermission = (typeof OWN_PERMISSIONS)[number];

/** The roles that every organization has; `owner` holds everything there is. */
export const BUILTIN_ROLES = {
  owner: '00000000-0000-7000-8000-000000000001',
  admin: '00000000-0000-7000-8000-000000000002',
  member: '00000000-0000-7000-8000-000000000003',
} as const;

/** What somebody holds in one organization. */
export type Held = Readonly<{
  owner: boolean;
  /** Plinto's own, by roles; an owner holds all of them, listed or not. */
  own: readonly string[];
  /** Whether every member may invite: they use that, but can't give it to a role. */
  mayInvite?: boolean;
  /** Scopes of APIs by resource indicator. */
  permissions: Readonly<Record<string, readonly string[]>>;
}>;

/** Whether somebody may do this. */
export function holds(held: Held, permission: OwnPermission): boolean {
  if (permission === 'members:invite' && held.mayInvite) return true;
  return held.owner || held.own.includes(permission);
}

/**
 * Whether somebody holds all that another holds, or a role gives: nobody grants what they lack, or
 * acts on who could do more than they (security 22).
 */
export function covers(held: Held, other: Held): boolean {
  if (held.owner) return true;
  if (other.owner || !other.own.every((one) => held.own.includes(one))) return false;
  return Object.entries(other.permissions).every(([indicator, names]) =>
    names.every((name) => held.permissions[indicator]?.includes(name)),
  );
}
