import { v7 as uuid } from 'uuid';
import type { Db, Trx } from '../deps.ts';
import type { TotpKey } from './match-code.ts';

/** An authenticator app; `secret` is encrypted. */
export type TotpCredential = TotpKey & {
  id: string;
  user_id: string;
  /** The sign-in or session in which a code was used last, by its hash. */
  last_request: Buffer | null;
  created_at: Date;
  last_used_at: Date | null;
};

/** A person's app, if they have one. */
export async function findCredential(db: Db, userId: string): Promise<TotpCredential | undefined> {
  return db('totp_credentials').where({ user_id: userId }).first();
}

/**
 * Gives a person, whose row is held and who has none, an app whose code of this step was used just now.
 *
 * @param secret encrypted.
 */
export async function insertCredential(
  trx: Trx,
  app: { userId: string; secret: string; step: number; request: Buffer },
): Promise<void> {
  await trx('totp_credentials').insert({
    id: uuid(),
    user_id: app.userId,
    secret: app.secret,
    last_step: app.step,
    last_request: app.request,
  });
}

/**
 * Uses a time step up, and all before it. One statement, so that of two servers one gets true.
 *
 * @param request hash of the sign-in it is used in.
 */
export async function useStep(
  trx: Trx,
  id: string,
  step: number,
  request: Buffer,
): Promise<boolean> {
  const count = await trx('totp_credentials')
    .where({ id })
    .whereRaw('(last_step IS NULL OR last_step < ?)', [step])
    .update({ last_step: step, last_request: request, last_used_at: trx.fn.now() });
  return count === 1;
}

/** Whether this sign-in or session is the one in which the step was used. */
export async function isUsedBy(
  db: Db,
  userId: string,
  step: number,
  request: Buffer,
): Promise<boolean> {
  const row = await db('totp_credentials')
    .where({ user_id: userId, last_step: step, last_request: request })
    .first('id');
  return row !== undefined;
}

/** Stores a secret that was encrypted anew, unless it is another by now. */
export async function replaceSecret(
  trx: Trx,
  id: string,
  before: string,
  secret: string,
): Promise<void> {
  await trx('totp_credentials').where({ id, secret: before }).update({ secret });
}

/** Takes a person's app away. @returns whether they had one. */
export async function removeCredential(trx: Trx, userId: string): Promise<boolean> {
  const count = await trx('totp_credentials').where({ user_id: userId }).delete();
  return count === 1;
}

/**
 * Keeps a secret that is shown and not confirmed yet, for `ttl` seconds. The one that was shown before
 * in the same sign-in or session to the same person stays: a reload and a second tab show the same.
 *
 * @param secret encrypted.
 * @returns the one that is kept.
 */
export async function keepEnrolment(
  trx: Trx,
  enrolment: { request: Buffer; userId: string; secret: string },
  ttl: number,
): Promise<string> {
  await trx.raw(
    `INSERT INTO totp_enrolments AS e (request_hash, user_id, secret, expires_at)
     VALUES (:request, :userId, :secret, now() + make_interval(secs => :ttl))
     ON CONFLICT (request_hash) DO UPDATE
       SET user_id = excluded.user_id, secret = excluded.secret, expires_at = excluded.expires_at
     WHERE e.user_id <> excluded.user_id OR e.expires_at <= now()`,
    { ...enrolment, ttl },
  );
  return (await findEnrolment(trx, enrolment.request, enrolment.userId)) ?? enrolment.secret;
}

/** The secret that is shown to a person in a sign-in or session; encrypted. */
export async function findEnrolment(
  db: Db,
  request: Buffer,
  userId: string,
): Promise<string | undefined> {
  const row = await db('totp_enrolments')
    .where({ request_hash: request, user_id: userId })
    .where('expires_at', '>', db.fn.now())
    .first('secret');
  return row?.secret;
}

/** Forgets all that was shown to a person and not confirmed. */
export async function removeEnrolments(trx: Trx, userId: string): Promise<void> {
  await trx('totp_enrolments').where({ user_id: userId }).delete();
}
