import type { Knex } from 'knex';
import type { Db, Trx } from '../deps.ts';
import type { Proof } from './next-step.ts';

/** Where a sign-in stands; one row an interaction, keyed by the hash of its uid. */
export type LoginAttempt = {
  switched: boolean;
  identifier: string | null;
  proofs: Proof[];
  /** The page a person is at in the middle of something, such as entering a code. */
  step: string | null;
  /** What they typed there, to be shown again; never a secret. */
  form: Record<string, string>;
  error: string | null;
  /** The page that the error is about, where it isn't the sign-in form. */
  error_page: string | null;
  /** Seconds until another try is allowed, for a person who tried too often. */
  retry_after: number | null;
  /** The browser said that it can keep passkeys. */
  can_passkey: boolean;
  /** The organization that the person chose, where that was left to them. */
  organization_id: string | null;
  /** Who that was: nobody else who goes on in their place has chosen. */
  organization_chooser: string | null;
};

/** How a person ended an interaction otherwise than by proving who they are. */
export type Decision = 'agreed' | 'denied' | 'aborted';

const FRESH: LoginAttempt = {
  switched: false,
  identifier: null,
  proofs: [],
  step: null,
  form: {},
  error: null,
  error_page: null,
  retry_after: null,
  can_passkey: false,
  organization_id: null,
  organization_chooser: null,
};

/** The attempt as it stands, or a fresh one. */
export async function findAttempt(db: Db, id: Buffer): Promise<LoginAttempt> {
  const row = await db('login_attempts')
    .where({ id })
    .where('expires_at', '>', db.fn.now())
    .first('*', db.raw('ceil(extract(epoch FROM retry_at - now()))::int AS retry_after'));
  if (row === undefined) return FRESH;
  const waited = row.error === 'throttled' && row.retry_after <= 0;
  return waited ? { ...row, error: null, retry_after: null } : row;
}

/**
 * Adds a proof to the attempt's. Those of somebody else go, as proofs of different people never add up;
 * so does an older one of the same method. The same password is no news; codes and passkeys are used up
 * by whoever proves them.
 *
 * @returns whether it is news: of N that race with the same, one gets true.
 */
export async function addProof(trx: Trx, id: Buffer, ttl: number, proof: Proof): Promise<boolean> {
  const { userId, factor, setAt = null } = proof;
  const { rowCount } = await trx.raw(
    `INSERT INTO login_attempts AS a (id, expires_at, proofs)
     VALUES (:id, now() + make_interval(secs => :ttl), jsonb_build_array(:proof::jsonb))
     ON CONFLICT (id) DO UPDATE SET step = NULL, error = NULL, retry_at = NULL, completed_at = NULL,
       proofs = (SELECT coalesce(jsonb_agg(p), '[]') FROM jsonb_array_elements(a.proofs) AS p
         WHERE p->>'userId' = :userId AND p->>'factor' <> :factor) || :proof::jsonb
     WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(a.proofs) AS p
       WHERE p->>'userId' = :userId AND p->>'factor' = :factor
         AND p->>'setAt' = :setAt)`,
    { id, ttl, proof: JSON.stringify(proof), userId, factor, setAt },
  );
  return rowCount === 1;
}

/** Marks an attempt as complete. @returns whether it wasn't: of N that race, one gets true. */
export async function completeAttempt(trx: Trx, id: Buffer): Promise<boolean> {
  const count = await trx('login_attempts')
    .where({ id, completed_at: null })
    .update({ completed_at: trx.fn.now() });
  return count === 1;
}

/** Notes what the person decided; true unless that is what they had decided before. */
export async function saveDecision(
  trx: Trx,
  id: Buffer,
  ttl: number,
  decision: Decision,
): Promise<boolean> {
  const rows = await trx('login_attempts')
    .insert({ id, expires_at: after(trx, ttl), decision })
    .onConflict('id')
    .merge({ decision })
    .whereRaw('login_attempts.decision IS DISTINCT FROM excluded.decision')
    .returning('id');
  return rows.length === 1;
}

/** Stores what changed of an attempt; `ttl` seconds from its first step. */
export async function saveAttempt(
  trx: Trx,
  id: Buffer,
  ttl: number,
  change: Partial<LoginAttempt>,
): Promise<void> {
  const { proofs, form, retry_after, ...columns } = change;
  const set = {
    ...columns,
    ...(proofs === undefined ? {} : { proofs: JSON.stringify(proofs), completed_at: null }),
    ...(form === undefined ? {} : { form: JSON.stringify(form) }),
    ...(retry_after === undefined ? {} : { retry_at: retry_after && after(trx, retry_after) }),
  };
  await trx('login_attempts')
    .insert({ id, expires_at: after(trx, ttl), ...set })
    .onConflict('id')
    .merge(set);
}

function after(trx: Trx, seconds: number): Knex.Raw {
  return trx.raw('now() + make_interval(secs => ?)', [seconds]);
}
