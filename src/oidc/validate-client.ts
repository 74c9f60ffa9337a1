import { type ClientMetadata, errors } from 'oidc-provider';
import type { Client } from '../clients/store.ts';
import type { Config } from '../config.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { Deps } from '../deps.ts';
import { createProviderPages } from './browser/pages.ts';
import { loadJwks, maintainKeys } from './keys/keys.ts';
import { keyPolicy } from './oidc.ts';
import { createProvider } from './provider.ts';
import { toMetadata } from './storage/client-adapter.ts';

/** The library's class, whose types leave its constructor out. */
type Parser = new (metadata: ClientMetadata) => { metadata: () => ClientMetadata };

/** Stands in for the secret's hash: the library wants a secret where the method needs one. */
const PLACEHOLDER = [{ hash: 'hmac-sha256', expires_at: null }];

const unused = (): never => {
  throw new Error('validating a client serves no requests');
};

/**
 * Checks client metadata by the rules of the provider that will serve it, so that what is stored is
 * what the server accepts. Unlike registration (RFC 7591 §2), which ignores members it doesn't know,
 * this refuses them: an administrator's slip of the pen should be heard.
 *
 * @returns a function that throws with what is wrong (RFC 7591 §3.2.2).
 */
export async function createClientValidator(
  deps: Deps,
  config: Config,
  keyring: Keyring,
): Promise<(client: Pick<Client, 'id' | 'name' | 'first_party' | 'metadata'>) => Promise<void>> {
  await maintainKeys(deps.db, keyPolicy(config, keyring));
  const { Client } = createProvider(
    {
      deps,
      config,
      keyring,
      adapter: unused,
      findResource: unused,
      pages: createProviderPages({ page: unused }, { accountName: unused, restartUrl: unused }),
      languages: [],
      assurance: { deps, mfa: config.mfa, isTrustedDevice: unused },
      onReuse: unused,
      onOldSecret: unused,
      queueBackchannelLogout: unused,
    },
    await loadJwks(deps.db, keyring.box),
  );
  return async (client) => {
    const metadata = toMetadata({ ...client, secrets: PLACEHOLDER }) as ClientMetadata;
    try {
      await Client.validate(metadata);
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error;
      throw new Error(error.error_description ?? error.message, { cause: error });
    }
    const understood = new Set(Object.keys(new (Client as Parser)(metadata).metadata()));
    const unknown = Object.keys(client.metadata).find((name) => !understood.has(name));
    if (unknown !== undefined) throw new Error(`${unknown} is no client metadata of this server`);
  };
}
