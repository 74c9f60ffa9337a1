import { errors, type ResourceServer } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { Db } from '../deps.ts';
import { type AssignedResource, findAssignedResource } from '../resources/store.ts';
import type { Cache } from './storage/cache.ts';
import { translated } from './storage/database-errors.ts';

/** Looks up an API as one client sees it. Kept in memory until the listener hears of a change. */
export type ResourceFinder = (
  indicator: string,
  clientId: string,
) => Promise<AssignedResource | undefined>;

/** @throws what the library answers 503 to when the database is away. */
export function createResourceFinder(db: Db, cache: Cache<AssignedResource>): ResourceFinder {
  return async (indicator, clientId) => {
    if (indicator.includes('\0')) return undefined;
    const key = `${clientId} ${indicator}`;
    return translated(cache.get(key, () => findAssignedResource(db, indicator, clientId)));
  };
}

/**
 * What the library needs to issue a token for an API (RFC 8707, RFC 9068). Only permissions that
 * were assigned to the client are offered, whatever it asks for and by whichever grant (security 18).
 *
 * @throws InvalidTarget also when it was assigned none: some APIs look at the audience only.
 */
export async function resourceServerInfo(
  find: ResourceFinder,
  config: Config,
  indicator: string,
  { clientId, inOrganization }: { clientId: string; inOrganization: boolean },
): Promise<ResourceServer> {
  const resource = await find(indicator, clientId);
  if (!resource?.permissions.length) throw new errors.InvalidTarget();
  const { organizations } = resource;
  if (organizations !== 'optional' && inOrganization !== (organizations === 'required')) {
    const description = inOrganization ? 'knows no organizations' : 'needs an organization';
    throw new errors.InvalidTarget(`the requested resource ${description}`);
  }
  return {
    audience: resource.indicator,
    scope: resource.permissions.map((p) => p.name).join(' '),
    accessTokenTTL: resource.access_token_ttl ?? config.ttl.accessToken,
    accessTokenFormat: resource.token_format,
    ...(resource.token_format === 'jwt' ? { jwt: { sign: { alg: 'ES256' } } } : {}),
  } as ResourceServer;
}
