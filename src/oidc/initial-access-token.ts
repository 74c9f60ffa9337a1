import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Deps, Trx } from '../deps.ts';
import { upsertArtifact } from '../oidc-state/artifacts.ts';

/**
 * A token with which clients may register themselves, any number of them, for `expiresIn` seconds
 * (RFC 7591 §3). Only its hash is stored, in the form the provider looks it up.
 */
export async function createInitialAccessToken(
  trx: Trx,
  { deps }: { deps: Pick<Deps, 'now' | 'randomBytes'> },
  origin: Origin,
  expiresIn: number,
): Promise<string> {
  const kind = 'InitialAccessToken';
  const token = deps.randomBytes(32).toString('base64url');
  const iat = Math.floor(deps.now().getTime() / 1000);
  const payload = { kind, iat, exp: iat + expiresIn };
  await upsertArtifact(trx, kind, hashToken(token), payload, expiresIn);
  await record(trx, origin, { type: 'initial_access_token.created', data: { expiresIn } });
  return token;
}
