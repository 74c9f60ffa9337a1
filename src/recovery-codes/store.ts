import type { Db, Trx } from '../deps.ts';

/** What is known of somebody's recovery codes. */
export type CodesFacts = { left: number; createdAt: Date | null; lastUsedAt: Date | null };

/** Whether a person has a code that was used in this sign-in, by its hash. */
export async function wasCodeUsedIn(db: Db, userId: string, request: Buffer): Promise<boolean> {
  const row = await db('recovery_codes')
    .where({ user_id: userId, used_request: request })
    .first('user_id');
  return row !== undefined;
}

/** Whether a person has recovery codes that weren't used. */
export async function hasRecoveryCodes(db: Db, userId: string): Promise<boolean> {
  const row = await db('recovery_codes').where({ user_id: userId, used_at: null }).first('user_id');
  return row !== undefined;
}

/** How many codes a person has left, when they were made, and when one was last used. */
export async function findCodesFacts(db: Db, userId: string): Promise<CodesFacts> {
  const { rows } = await db.raw(
    `SELECT count(*) FILTER (WHERE used_at IS NULL)::int AS "left",
       min(created_at) AS "createdAt", max(used_at) AS "lastUsedAt"
     FROM recovery_codes WHERE user_id = ?`,
    [userId],
  );
  return rows[0];
}

/**
 * Puts codes, by their hashes, in place of all that a person had.
 *
 * @param request hash of the sign-in or session they were confirmed in.
 */
export async function replaceCodes(
  trx: Trx,
  userId: string,
  hashes: readonly Buffer[],
  request: Buffer,
): Promise<void> {
  await trx('recovery_codes').where({ user_id: userId }).delete();
  const rows = hashes.map((hash) => ({ user_id: userId, hash, made_request: request }));
  await trx('recovery_codes').insert(rows);
}

/** Whether the codes that a person has were confirmed in this sign-in or session. */
export async function isConfirmed(db: Db, userId: string, request: Buffer): Promise<boolean> {
  const row = await db('recovery_codes')
    .where({ user_id: userId, made_request: request })
    .first('user_id');
  return row !== undefined;
}

/**
 * Uses a code up, for good.
 *
 * @param request hash of the sign-in it is used in.
 * @returns whether it was there and unused: of N that race, one gets true.
 */
export async function useCode(
  trx: Trx,
  userId: string,
  hash: Buffer,
  request: Buffer,
): Promise<boolean> {
  const count = await trx('recovery_codes')
    .where({ user_id: userId, hash, used_at: null })
    .update({ used_at: trx.fn.now(), used_request: request });
  return count === 1;
}

/** The sign-in in which a code was used, by its hash; undefined for one that wasn't, or is none. */
export async function findUse(db: Db, userId: string, hash: Buffer): Promise<Buffer | undefined> {
  const row = await db('recovery_codes')
    .where({ user_id: userId, hash })
    .whereNotNull('used_at')
    .first('used_request');
  return row?.used_request;
}

/**
 * Keeps codes that are shown and not confirmed yet, for `ttl` seconds. Those that were shown before in
 * the same sign-in or session to the same person stay: a reload and a second tab show the same.
 *
 * @param codes encrypted.
 * @returns the ones that are kept.
 */
export async function keepDraft(
  trx: Trx,
  draft: { request: Buffer; userId: string; codes: string },
  ttl: number,
): Promise<string> {
  await trx.raw(
    `INSERT INTO recovery_code_drafts AS d (request_hash, user_id, codes, expires_at)
     VALUES (:request, :userId, :codes, now() + make_interval(secs => :ttl))
     ON CONFLICT (request_hash) DO UPDATE
       SET user_id = excluded.user_id, codes = excluded.codes, expires_at = excluded.expires_at
     WHERE d.user_id <> excluded.user_id OR d.expires_at <= now()`,
    { ...draft, ttl },
  );
  const row = await trx('recovery_code_drafts')
    .where({ request_hash: draft.request, user_id: draft.userId })
    .first('codes');
  return row?.codes ?? draft.codes;
}

/** The codes that are shown to a person in a sign-in or session; encrypted. */
export async function findDraft(
  db: Db,
  request: Buffer,
  userId: string,
): Promise<string | undefined> {
  const row = await db('recovery_code_drafts')
    .where({ request_hash: request, user_id: userId })
    .where('expires_at', '>', db.fn.now())
    .first('codes');
  return row?.codes;
}

/** Forgets all that was shown to a person and not confirmed. */
export async function removeDrafts(trx: Trx, userId: string): Promise<void> {
  await trx('recovery_code_drafts').where({ user_id: userId }).delete();
}

/** Takes a person's codes away. @returns how many still worked. */
export async function removeRecoveryCodes(trx: Trx, userId: string): Promise<number> {
  const rows = await trx('recovery_codes')
    .where({ user_id: userId })
    .delete()
    .returning(trx.raw('used_at IS NULL AS unused'));
  return rows.filter(({ unused }) => unused).length;
}
