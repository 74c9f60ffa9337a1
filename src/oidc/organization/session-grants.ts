/** What a session remembers of a client. */
type Authorization = {
  grantId?: string | undefined;
  sid?: string | undefined;
  persistsLogout?: boolean | undefined;
};

type GrantingSession = { authorizations?: Record<string, Authorization> | undefined };

/** No client id has a line break (RFC 6749 §A.1), so this is one of none. */
const SEPARATOR = '\n';

/** Grants outside of any organization. */
const NONE = '-';

/**
 * The library keeps one grant a client in a session: that of the latest request. The grants for each
 * organization stand beside it, as if of clients of their own, so that signing out finds them too.
 */
function entryOf(clientId: string, organizationId: string | undefined): string {
  return `${clientId}${SEPARATOR}${organizationId ?? NONE}`;
}

/** Id of the grant that a session has for a client in an organization, or outside of any. */
export function sessionGrant(
  { authorizations = {} }: GrantingSession,
  clientId: string,
  organizationId: string | undefined,
): string | undefined {
  const own = authorizations[entryOf(clientId, organizationId)]?.grantId;
  // Sessions of before there were organizations have the library's entry alone.
  return own ?? (organizationId === undefined ? authorizations[clientId]?.grantId : undefined);
}

/** Keeps it. @param offline what is issued from it outlives the session. */
export function keepSessionGrant(
  session: GrantingSession,
  clientId: string,
  organizationId: string | undefined,
  grant: { grantId: string; offline: boolean },
): void {
  session.authorizations ??= {};
  const entry = entryOf(clientId, organizationId);
  const before = session.authorizations[entry];
  session.authorizations[entry] = {
    grantId: grant.grantId,
    ...(grant.offline || before?.persistsLogout ? { persistsLogout: true } : {}),
  };
}

/** Whether a grant of a client is one of a session's. */
export function isGrantOfSession(
  { authorizations = {} }: GrantingSession,
  clientId: string,
  grantId: string,
): boolean {
  return Object.entries(authorizations).some(
    ([entry, authorization]) =>
      authorization.grantId === grantId && entry.split(SEPARATOR, 1)[0] === clientId,
  );
}

/** Grants that a session has for a client beside the library's entry, but those that outlive it. */
export function otherSessionGrants(
  { authorizations = {} }: GrantingSession,
  clientId: string,
): string[] {
  return Object.entries(authorizations).flatMap(([entry, { grantId, persistsLogout }]) =>
    entry.startsWith(clientId + SEPARATOR) && grantId !== undefined && !persistsLogout
      ? [grantId]
      : [],
  );
}
