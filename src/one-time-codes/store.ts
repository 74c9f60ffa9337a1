import type { Knex } from 'knex';
import type { Db, Trx } from '../deps.ts';

/** What a code or link is for; one of one purpose is worthless for another (security 8). */
export type CodePurpose =
  | 'sign-up'
  | 'sign-in'
  | 'reset-password'
  | 'invitation'
  | 'change-email'
  | 'verify-phone'
  | 'recover-factors'
  | 'second-factor';

export type OneTimeCode = {
  id: string;
  purpose: CodePurpose;
  user_id: string | null;
  /** Where it was sent, in canonical form. */
  address: string | null;
  code_hash: string | null;
  attempts: number;
  data: Record<string, unknown>;
  used: boolean;
  expired: boolean;
  /** Seconds since it was asked for. */
  age: number;
};

export type NewRow = Pick<OneTimeCode, 'id' | 'purpose' | 'data' | 'code_hash'> & {
  hash: Buffer;
  user_id: string | null;
  address: string | null;
  request_hash: Buffer | null;
};

const COLUMNS = ['id', 'purpose', 'user_id', 'address', 'code_hash', 'attempts', 'data'] as const;

function columns(db: Db): (string | Knex.Raw)[] {
  return [
    ...COLUMNS,
    db.raw('used_at IS NOT NULL AS used'),
    db.raw('expires_at <= clock_timestamp() AS expired'),
    db.raw('extract(epoch FROM clock_timestamp() - created_at)::float AS age'),
  ];
}

/**
 * Stores a code for `ttl` seconds, in place of those of the same purpose that were sent to the same
 * address, for the same person or in the same request: only the newest works.
 */
export async function replaceCode(trx: Trx, row: NewRow, ttl: number): Promise<void> {
  // Or two asked for at once would both stay.
  await takeTurn(trx, row.purpose, row.user_id ?? row.address?.toLowerCase() ?? row.id);
  await trx('one_time_codes')
    .where({ purpose: row.purpose })
    // Of what is null nothing is found, and that takes as long (security 9).
    .where((older) => {
      older
        .whereRaw('user_id = ?', [row.user_id])
        .orWhereRaw('lower(address) = lower(?)', [row.address])
        .orWhereRaw('request_hash = ?', [row.request_hash]);
    })
    .delete();
  await trx('one_time_codes').insert({
    ...row,
    data: JSON.stringify(row.data),
    expires_at: trx.raw('now() + make_interval(secs => ?)', [ttl]),
  });
}

/**
 * Lets those who replace the codes of one purpose for one person or address come one after the other.
 * Comes before anything that holds their rows.
 */
export async function takeTurn(trx: Trx, purpose: CodePurpose, subject: string): Promise<void> {
  const key = `${purpose} ${subject}`;
  await trx.raw('SELECT pg_advisory_xact_lock(hashtextextended(?, 0))', [key]);
}

/** The code that was asked for in a request, held until the transaction ends. */
export async function lockCode(
  trx: Trx,
  purpose: CodePurpose,
  requestHash: Buffer,
): Promise<OneTimeCode | undefined> {
  return trx('one_time_codes')
    .where({ purpose, request_hash: requestHash })
    .orderBy('created_at', 'desc')
    .forUpdate()
    .first(...columns(trx));
}

/** The code that was asked for in a request. */
export async function findCode(
  db: Db,
  purpose: CodePurpose,
  requestHash: Buffer,
): Promise<OneTimeCode | undefined> {
  return db('one_time_codes')
    .where({ purpose, request_hash: requestHash })
    .orderBy('created_at', 'desc')
    .first(...columns(db));
}

/** The code whose link has this token, used and expired ones included; of that request, if given. */
export async function findCodeByToken(
  db: Db,
  purpose: CodePurpose,
  hash: Buffer,
  requestHash?: Buffer,
): Promise<OneTimeCode | undefined> {
  return db('one_time_codes')
    .where({ purpose, hash, ...(requestHash && { request_hash: requestHash }) })
    .first(...columns(db));
}

/** Counts a wrong try. */
export async function countTry(trx: Trx, id: string): Promise<void> {
  await trx('one_time_codes').where({ id }).increment('attempts', 1);
}

/** Uses a code up. @returns whether it was still unused; of N that race, one gets true. */
export async function useCode(trx: Trx, id: string): Promise<boolean> {
  const count = await trx('one_time_codes')
    .where({ id, used_at: null })
    .where('expires_at', '>', trx.raw('clock_timestamp()'))
    .update({ used_at: trx.fn.now() });
  return count === 1;
}

/** Deletes a person's codes that weren't used. */
export async function removeCodes(trx: Trx, userId: string): Promise<void> {
  await trx('one_time_codes').where({ user_id: userId, used_at: null }).delete();
}

/** How a person gets codes as a second factor. */
export type MessageFactor = {
  channel: 'sms' | 'email';
  created_at: Date;
  last_used_at: Date | null;
};

/** The ways by which a person gets codes as a second factor. */
export async function listMessageFactors(db: Db, userId: string): Promise<MessageFactor[]> {
  return db('message_factors')
    .where({ user_id: userId })
    .orderBy('channel')
    .select('channel', 'created_at', 'last_used_at');
}

/** Sends a person codes that way as a second factor. @returns whether that is news. */
export async function insertMessageFactor(
  trx: Trx,
  userId: string,
  channel: MessageFactor['channel'],
): Promise<boolean> {
  const rows = await trx('message_factors')
    .insert({ user_id: userId, channel })
    .onConflict(['user_id', 'channel'])
    .ignore()
    .returning('channel');
  return rows.length === 1;
}

/** Notes that a person proved themselves that way. */
export async function noteMessageFactor(
  trx: Trx,
  userId: string,
  channel: MessageFactor['channel'],
): Promise<void> {
  await trx('message_factors')
    .where({ user_id: userId, channel })
    .update({ last_used_at: trx.fn.now() });
}

/** Sends a person no more codes that way as a second factor. @returns whether it was turned on. */
export async function removeMessageFactor(
  trx: Trx,
  userId: string,
  channel: MessageFactor['channel'],
): Promise<boolean> {
  const count = await trx('message_factors').where({ user_id: userId, channel }).delete();
  return count === 1;
}
