import type { Db } from '../deps.ts';
import { findClient } from './store.ts';

/** Where somebody goes on to who accepted an invitation; `app` names the app, where it is one. */
export type WayOn = { next: string; app?: string };

/**
 * Where an app can be entered from outside, if it says so: login initiated by a third party (OpenID
 * Connect Core §4), else its home page.
 *
 * @param organization id of the one to sign in to.
 */
export async function findWayOn(
  db: Db,
  issuer: string,
  clientId: string | null | undefined,
  organization?: string,
): Promise<WayOn | undefined> {
  const client = clientId == null ? undefined : await findClient(db, clientId);
  const { initiate_login_uri: initiate, client_uri: home } = client?.metadata ?? {};
  const app = client?.name ?? '';
  if (typeof initiate === 'string') {
    const url = new URL(initiate);
    url.searchParams.set('iss', issuer);
    if (organization !== undefined) url.searchParams.set('organization', organization);
    return { next: url.href, app };
  }
  return typeof home === 'string' ? { next: home, app } : undefined;
}
