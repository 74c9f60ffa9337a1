import type { JWK } from 'jose';
import type { Middleware } from 'koa';
import mount from 'koa-mount';
import type Provider from 'oidc-provider';

export type Holder = {
  /** The provider for the keys as they are now. */
  current: () => Provider;
  /** Serves a request with the current provider; one under way keeps the provider it began with. */
  middleware: Middleware;
  /** Loads the keys again and swaps the provider if they changed. */
  refresh: () => Promise<void>;
};

/**
 * Holds the provider, and swaps it when signing keys change: building one takes a millisecond and
 * is the documented way to change keys.
 *
 * @throws what loading the keys throws, the first time; later failures leave the old provider.
 */
export async function createHolder(
  build: (jwks: { keys: JWK[] }) => Provider,
  loadKeys: () => Promise<{ keys: JWK[] }>,
): Promise<Holder> {
  const make = (jwks: { keys: JWK[] }) => {
    const provider = build(jwks);
    return {
      provider,
      middleware: mount('/', provider) as Middleware,
      fingerprint: jwks.keys.map((key) => key.kid).join(' '),
    };
  };
  let held = make(await loadKeys());
  let refreshing = Promise.resolve();
  const refresh = async (): Promise<void> => {
    const jwks = await loadKeys();
    if (jwks.keys.map((key) => key.kid).join(' ') !== held.fingerprint) held = make(jwks);
  };
  return {
    current: () => held.provider,
    middleware: (ctx, next) => held.middleware(ctx, next),
    refresh: () => {
      // One after the other: keys that were read earlier must not replace newer ones.
      refreshing = refreshing.then(refresh, refresh);
      return refreshing;
    },
  };
}
