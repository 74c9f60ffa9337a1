import type Provider from 'oidc-provider';
import type { Adapter } from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { Keyring } from '../../crypto/keyring.ts';
import type { Deps } from '../../deps.ts';
import { loadJwks, maintainKeys } from '../keys/keys.ts';
import { keyPolicy } from '../oidc.ts';
import { createProviderPages } from '../pages.ts';
import { createProvider } from '../provider.ts';

export type OfflineParts = { deps: Deps; config: Config; keyring: Keyring };

const unused = (): never => {
  throw new Error('this provider serves no requests');
};

/**
 * The provider for commands: it serves no requests, but checks and makes what the one that serves
 * will read, by the same rules. Makes the keys where the database has none yet.
 */
export async function createOfflineProvider(
  { deps, config, keyring }: OfflineParts,
  adapter: (model: string) => Adapter = unused,
): Promise<Provider> {
  await maintainKeys(deps.db, keyPolicy(config, keyring));
  return createProvider(
    {
      deps,
      config,
      keyring,
      adapter,
      findResource: unused,
      pages: createProviderPages({ page: unused }, { accountName: unused, restartUrl: unused }),
      onReuse: unused,
      onOldSecret: unused,
      queueBackchannelLogout: unused,
    },
    await loadJwks(deps.db, keyring.box),
  );
}
