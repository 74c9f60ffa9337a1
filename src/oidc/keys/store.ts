import type { Db, Trx } from '../../deps.ts';

/** What a key is for. One of each slot signs or decrypts at a time. */
export type KeySlot = 'ec-sig' | 'rsa-sig' | 'okp-sig' | 'ec-enc' | 'rsa-enc';

export type KeyRow = {
  kid: string;
  slot: KeySlot;
  state: 'next' | 'current' | 'previous';
  /** JWK, encrypted with the installation's secret. */
  private_jwk: string;
  created_at: Date;
  activated_at: Date | null;
  retired_at: Date | null;
};

/** Row with what the database's clock says of it, in seconds. */
export type AgedKeyRow = KeyRow & { age: number; active_for: number; retired_for: number };

/** All keys, oldest first. */
export async function listKeys(db: Db): Promise<AgedKeyRow[]> {
  return db('signing_keys')
    .select('*')
    .select(
      db.raw(`extract(epoch FROM now() - created_at)::float8 AS age,
        coalesce(extract(epoch FROM now() - activated_at), 0)::float8 AS active_for,
        coalesce(extract(epoch FROM now() - retired_at), 0)::float8 AS retired_for`),
    )
    .orderBy(['created_at', 'kid']);
}

/** One process at a time changes keys; the others wait here until the transaction ends. */
export async function lockKeys(trx: Trx): Promise<void> {
  await trx.raw('LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE');
}

/** Inserts a key. */
export async function insertKey(
  trx: Trx,
  row: Pick<KeyRow, 'kid' | 'slot' | 'state' | 'private_jwk'>,
): Promise<void> {
  const activated_at = row.state === 'current' ? trx.fn.now() : null;
  await trx('signing_keys').insert({ ...row, activated_at });
}

/** Makes the slot's next key its current one, and the current one a previous one. */
export async function promoteKey(trx: Trx, slot: KeySlot): Promise<void> {
  await trx('signing_keys')
    .where({ slot, state: 'current' })
    .update({ state: 'previous', retired_at: trx.fn.now() });
  await trx('signing_keys')
    .where({ slot, state: 'next' })
    .update({ state: 'current', activated_at: trx.fn.now() });
}

/** Stores a key encrypted anew. */
export async function updateKeyCiphertext(
  trx: Trx,
  kid: string,
  privateJwk: string,
): Promise<void> {
  await trx('signing_keys').where({ kid }).update({ private_jwk: privateJwk });
}

/** Deletes a key. */
export async function removeKey(trx: Trx, kid: string): Promise<void> {
  await trx('signing_keys').where({ kid }).delete();
}
