import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import { createAdapter } from '../storage/adapter.ts';
import { createRowHandles } from '../storage/row-handle.ts';
import { createOfflineProvider, type OfflineParts } from './provider.ts';

const unused = (): never => {
  throw new Error('making a token reads and writes nothing else');
};
const NO_CLIENTS = { upsert: unused, find: unused, destroy: unused, consume: unused };

/**
 * Makes a token with which clients may register themselves until it ends (RFC 7591 §3), stored as
 * the library looks for it.
 *
 * @param expiresIn seconds.
 * @returns the token, which is nowhere else.
 */
export function createInitialAccessToken(
  parts: OfflineParts,
  origin: Origin,
  expiresIn: number,
): Promise<string> {
  return transaction(parts.deps.db, async (trx) => {
    const adapter = createAdapter({
      db: trx,
      handles: createRowHandles(parts.keyring.rowHandles),
      refreshReuseLeeway: 0,
      onLeewayUse: unused,
      clients: {
        ...NO_CLIENTS,
        findByUid: unused,
        findByUserCode: unused,
        revokeByGrantId: unused,
      },
    });
    const inTransaction = { ...parts, deps: { ...parts.deps, db: trx } };
    const provider = await createOfflineProvider(inTransaction, adapter);
    const token = await new provider.InitialAccessToken({ expiresIn }).save();
    await record(trx, origin, { type: 'initial_access_token.created', data: { expiresIn } });
    return token;
  });
}
