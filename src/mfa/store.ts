import type { Db } from '../deps.ts';
import type { SecondFactor } from './acr.ts';

/**
 * Whether a person had one of these second factors at a moment.
 *
 * @param at epoch seconds.
 */
export async function hadFactorAt(
  db: Db,
  userId: string,
  factors: readonly SecondFactor[],
  at: number,
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `SELECT FROM (
       SELECT 'totp' AS factor, created_at FROM totp_credentials WHERE user_id = :userId
       UNION ALL SELECT 'passkey', created_at FROM passkeys WHERE user_id = :userId
       UNION ALL SELECT channel, created_at FROM message_factors WHERE user_id = :userId) AS every
     WHERE factor = ANY (:factors) AND created_at <= to_timestamp(:at) LIMIT 1`,
    { userId, factors: [...factors], at },
  );
  return rows.length > 0;
}
