import type { Knex } from 'knex';
import type { Db, Trx } from '../deps.ts';

/** A public key credential of a person (Web Authentication Level 3, §4 "credential record"). */
export type Passkey = {
  id: string;
  user_id: string;
  /** Base64url, as in the JSON of WebAuthn. */
  credential_id: string;
  /** COSE_Key (RFC 9052 §7). */
  public_key: Buffer;
  sign_count: number;
  transports: string[];
  /** Model of the authenticator; all zeros where it didn't say. */
  aaguid: string;
  /** May be synced to other devices. */
  backup_eligible: boolean;
  backed_up: boolean;
  name: string;
  created_at: Date;
  last_used_at: Date | null;
};

export type NewPasskey = Omit<Passkey, 'created_at' | 'last_used_at'>;

function columns(db: Db): (string | Knex.Raw)[] {
  // The driver reads a bigint as text; a counter has 32 bits.
  return ['*', db.raw('sign_count::float AS sign_count')];
}

/** The passkey with this credential id, whosever it is. */
export async function findPasskey(db: Db, credentialId: string): Promise<Passkey | undefined> {
  return db('passkeys')
    .where({ credential_id: credentialId })
    .first(...columns(db));
}

/** The same, held until the transaction ends. */
export async function lockPasskey(trx: Trx, credentialId: string): Promise<Passkey | undefined> {
  return trx('passkeys')
    .where({ credential_id: credentialId })
    .forUpdate()
    .first(...columns(trx));
}

/** A person's passkeys, oldest first. */
export async function listPasskeys(db: Db, userId: string): Promise<Passkey[]> {
  return db('passkeys')
    .where({ user_id: userId })
    .orderBy('created_at')
    .orderBy('id')
    .select(...columns(db));
}

/** Stores a passkey. @returns false where somebody has one of this credential id. */
export async function insertPasskey(trx: Trx, passkey: NewPasskey): Promise<boolean> {
  const rows = await trx('passkeys')
    .insert(passkey)
    .onConflict('credential_id')
    .ignore()
    .returning('id');
  return rows.length === 1;
}

/** Notes that a passkey was used, and what it said of itself then. */
export async function noteUse(
  trx: Trx,
  id: string,
  { signCount, backedUp }: { signCount: number; backedUp: boolean },
): Promise<void> {
  await trx('passkeys')
    .where({ id })
    .update({ sign_count: signCount, backed_up: backedUp, last_used_at: trx.fn.now() });
}

/** Gives a passkey another name. @returns whether it had a different one. */
export async function renamePasskey(trx: Trx, id: string, name: string): Promise<boolean> {
  return (await trx('passkeys').where({ id }).whereNot({ name }).update({ name })) === 1;
}

/** Deletes a passkey. */
export async function deletePasskey(trx: Trx, id: string): Promise<void> {
  await trx('passkeys').where({ id }).delete();
}

/** Uses a challenge up. @returns whether it was unused; of N that race, one gets true. */
export async function useChallenge(trx: Trx, hash: Buffer, expiresAt: Date): Promise<boolean> {
  const rows = await trx('used_challenges')
    .insert({ hash, expires_at: expiresAt })
    .onConflict('hash')
    .ignore()
    .returning('hash');
  return rows.length === 1;
}

/** Notes that a person answered the offer to create a passkey. */
export async function noteOffer(trx: Trx, userId: string): Promise<void> {
  await trx('users').where({ id: userId }).update({ passkey_offered_at: trx.fn.now() });
}

/** Deletes a person's passkeys. @returns how many there were. */
export async function removePasskeys(trx: Trx, userId: string): Promise<number> {
  return trx('passkeys').where({ user_id: userId }).delete();
}
