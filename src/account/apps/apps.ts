import { findClient } from '../../clients/store.ts';
import { transaction } from '../../db/pool.ts';
import { type ConnectedClient, listConnectedClients } from '../../oidc-state/connected-clients.ts';
import { findAssignedResource } from '../../resources/store.ts';
import { momentFormat } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { revokeApp } from './revoke-app.ts';

/** The apps that may see something of a person's account, and how to take that back. */
export function appPages(account: Account, parts: AccountParts): void {
  const { db } = parts.deps;
  account.page('/apps', {}, async (visit) => {
    const connected = await listConnectedClients(db, visit.user.id);
    const apps = connected.filter(({ clientId }) => clientId !== parts.clientId);
    // One after the other, so that a page doesn't take all connections there are.
    const described: Described[] = [];
    for (const app of apps) described.push(await describe(parts, visit, app));
    visit.show('account-apps', { apps: described });
  });
  account.action('/apps', {}, async ({ user, origin }, { client = '' }) => {
    // An app that isn't connected stays so: the same form may be sent twice.
    await transaction(db, (trx) => revokeApp(trx, origin, user.id, client));
    return '/apps?done=app';
  });
}

type Described = Awaited<ReturnType<typeof describe>>;

async function describe(parts: AccountParts, { ctx, user }: Visit, app: ConnectedClient) {
  const { db } = parts.deps;
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const client = await findClient(db, app.clientId);
  const resources = [];
  for (const [indicator, names] of Object.entries(app.resources)) {
    const resource = await findAssignedResource(db, indicator, app.clientId);
    const scopes = resource?.permissions.filter(({ name }) => names.includes(name)) ?? [];
    resources.push({ name: resource?.name ?? indicator, scopes });
  }
  return {
    id: app.clientId,
    // One that is known by its metadata document has its address for an id, and no row.
    name: client?.name ?? app.clientId,
    own: client?.first_party === true,
    scopes: app.scopes,
    claims: app.claims,
    resources: resources.filter(({ scopes }) => scopes.length > 0),
    since: say(app.since),
    lastUsed: app.lastUsed && say(app.lastUsed),
  };
}
