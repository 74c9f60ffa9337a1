import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import {
  changeClient,
  createClient,
  rotateClientSecret,
} from '../../src/clients/manage-clients.ts';
import { findClient } from '../../src/clients/store.ts';
import type { Config } from '../../src/config.ts';
import { transaction } from '../../src/db/pool.ts';
import { createClientValidator } from '../../src/oidc/validate-client.ts';
import { createLogger, openRuntime } from '../../src/runtime.ts';
import { listUsers } from '../../src/users/store.ts';

export type RegisteredDemo = {
  id: string;
  secret: string;
  /** The installation has no user who could sign in. */
  nobodyYet: boolean;
};

/**
 * Registers the app, or brings its client up to date, as `plinto client create` would: through the
 * database of the running server. Each start gives it a new secret, so that none is kept on disk.
 * The database is let go at once, so that the server's own life decides when it stops.
 */
export async function registerDemo(config: Config, url: string): Promise<RegisteredDemo> {
  const runtime = await openRuntime(config, createLogger('error'));
  try {
    const { db } = runtime.deps;
    const tools = {
      validate: await createClientValidator(runtime.deps, config, runtime.keyring),
      secretKeys: runtime.keyring.clientSecrets,
      randomBytes,
    };
    const origin = { actor: `cli:${userInfo().username}` };
    // One client a port, so that two demos side by side don't take each other's addresses.
    const id = `demo-${new URL(url).port}`;
    const metadata = clientMetadata(url);
    const secret = await transaction(db, async (trx) => {
      const existing = await findClient(trx, id);
      if (existing === undefined) {
        const created = await createClient(trx, tools, origin, {
          id,
          name: 'Demo app',
          kind: 'web',
          firstParty: true,
          redirectUris: metadata.redirect_uris,
          postLogoutRedirectUris: metadata.post_logout_redirect_uris,
          scope: undefined,
          metadata,
        });
        return created.secret as string;
      }
      await changeClient(trx, tools, origin, existing, { metadata });
      return (await rotateClientSecret(trx, tools, origin, existing, 0)).secret;
    });
    return { id, secret, nobodyYet: (await listUsers(db, { limit: 1 })).length === 0 };
  } finally {
    await runtime.close();
  }
}

function clientMetadata(url: string) {
  return {
    client_uri: url,
    redirect_uris: [`${url}/callback`],
    post_logout_redirect_uris: [`${url}/signed-out`],
    backchannel_logout_uri: `${url}/backchannel-logout`,
    backchannel_logout_session_required: true,
  };
}
