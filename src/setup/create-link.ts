import { v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Deps, Trx } from '../deps.ts';
import { replaceSetupCode } from './store.ts';

/** Seconds a setup link works. */
export const SETUP_LINK_TTL = 86_400;

/** Makes the single-use link that creates an administrator; links made before stop working. */
export async function createSetupLink(
  trx: Trx,
  deps: Pick<Deps, 'randomBytes'>,
  origin: Origin,
  issuer: string,
): Promise<string> {
  const token = deps.randomBytes(32).toString('base64url');
  await replaceSetupCode(trx, { id: uuid(), hash: hashToken(token), ttl: SETUP_LINK_TTL });
  await record(trx, origin, { type: 'setup.link_created' });
  return `${issuer}/setup/${token}`;
}
