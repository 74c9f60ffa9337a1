import type { Db, Trx } from '../deps.ts';
import type { Proof } from './next-step.ts';

/** Where a sign-in stands; one row an interaction, keyed by the hash of its uid. */
export type LoginAttempt = {
  switched: boolean;
  identifier: string | null;
  proofs: Proof[];
  error: string | null;
  retry_after: number | null;
};

const FRESH: LoginAttempt = {
  switched: false,
  identifier: null,
  proofs: [],
  error: null,
  retry_after: null,
};

/** The attempt as it stands, or a fresh one. */
export async function findAttempt(db: Db, id: Buffer): Promise<LoginAttempt> {
  const row = await db('login_attempts')
    .where({ id })
    .where('expires_at', '>', db.fn.now())
    .first();
  return row ?? FRESH;
}

/** Stores what changed of an attempt; `ttl` seconds from its first step. */
export async function saveAttempt(
  trx: Trx,
  id: Buffer,
  ttl: number,
  change: Partial<LoginAttempt>,
): Promise<void> {
  const columns = {
    ...change,
    ...(change.proofs ? { proofs: JSON.stringify(change.proofs) } : {}),
  };
  const expires_at = trx.raw('now() + make_interval(secs => ?)', [ttl]);
  await trx('login_attempts')
    .insert({ id, expires_at, ...columns })
    .onConflict('id')
    .merge(columns);
}
