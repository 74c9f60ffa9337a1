import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Origin, SYSTEM } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { DerivedKey } from '../../crypto/keyring.ts';
import { isStale, open, seal } from '../../crypto/secret-box.ts';
import { transaction } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import {
  type AgedKeyRow,
  insertKey,
  type KeySlot,
  listKeys,
  lockKeys,
  promoteKey,
  removeKey,
  updateKeyCiphertext,
} from './store.ts';

/** Algorithm each slot's key is generated for; the first signing slot is the default (ES256). */
const SLOTS: Record<KeySlot, { alg: string; options?: { crv?: string; modulusLength?: number } }> =
  {
    'ec-sig': { alg: 'ES256' },
    'rsa-sig': { alg: 'RS256', options: { modulusLength: 2048 } },
    'okp-sig': { alg: 'EdDSA', options: { crv: 'Ed25519' } },
    'ec-enc': { alg: 'ECDH-ES', options: { crv: 'P-256' } },
    'rsa-enc': { alg: 'RSA-OAEP-256', options: { modulusLength: 2048 } },
  };
const SLOT_NAMES = Object.keys(SLOTS) as KeySlot[];

/** Order in the key set: the library signs with the first that matches. */
const STATE_ORDER = { current: 0, next: 1, previous: 2 };

export type KeyPolicy = {
  boxKeys: readonly DerivedKey[];
  /** Seconds after which a key is replaced. */
  rotateAfter: number;
  /** Seconds a new key is published before it signs. */
  publishFor: number;
  /** Seconds a replaced key still verifies: hints and logout tokens outlive it. */
  keepFor: number;
};

/** The private JWK Set for the provider: current keys first, next ones published, previous kept. */
export async function loadJwks(db: Db, boxKeys: readonly DerivedKey[]): Promise<{ keys: JWK[] }> {
  const rows = await listKeys(db);
  rows.sort(
    (a, b) =>
      STATE_ORDER[a.state] - STATE_ORDER[b.state] ||
      SLOT_NAMES.indexOf(a.slot) - SLOT_NAMES.indexOf(b.slot),
  );
  return { keys: rows.map((row) => JSON.parse(open(boxKeys, row.kid, row.private_jwk))) };
}

/**
 * Brings the keys to where the policy wants them: creates missing ones, publishes the next before a
 * current one is due, promotes it once it was published long enough, deletes the long retired, and
 * encrypts anew what an old secret encrypted. Safe to run on any number of replicas at once.
 *
 * @returns whether anything changed.
 */
export async function maintainKeys(db: Db, policy: KeyPolicy): Promise<boolean> {
  if (!needsWork(await listKeys(db), policy)) return false;
  return transaction(db, async (trx) => {
    await lockKeys(trx);
    const rows = await listKeys(trx);
    for (const slot of SLOT_NAMES) await maintainSlot(trx, policy, slot, rows);
    for (const row of rows) {
      if (row.state === 'previous' && row.retired_for > policy.keepFor) {
        await dropKey(trx, row, SYSTEM);
      } else if (isStale(policy.boxKeys, row.private_jwk)) {
        const jwk = open(policy.boxKeys, row.kid, row.private_jwk);
        await updateKeyCiphertext(trx, row.kid, seal(policy.boxKeys, row.kid, jwk));
      }
    }
    return true;
  });
}

/**
 * Starts replacing every key: a new one is published now and signs once it was published long
 * enough (the job sees to it), or at once with `now`, for a key that leaked.
 */
export async function rotateKeys(
  db: Db,
  policy: KeyPolicy,
  origin: Origin,
  options: { now: boolean },
): Promise<void> {
  await transaction(db, async (trx) => {
    await lockKeys(trx);
    const rows = await listKeys(trx);
    for (const slot of SLOT_NAMES) {
      const next = rows.find((row) => row.slot === slot && row.state === 'next');
      const kid = next?.kid ?? (await addKey(trx, policy, slot, 'next', origin));
      if (options.now) await activate(trx, slot, kid, origin);
    }
  });
}

/**
 * Takes a replaced key out of the key set before its time, so that what a thief signs with it no
 * longer verifies. What it signed rightfully no longer does either.
 *
 * @returns why not, where it isn't a replaced key.
 */
export async function deleteKey(
  db: Db,
  origin: Origin,
  kid: string,
): Promise<'deleted' | 'unknown' | 'in_use'> {
  return transaction(db, async (trx) => {
    await lockKeys(trx);
    const row = (await listKeys(trx)).find((key) => key.kid === kid);
    if (row === undefined) return 'unknown';
    if (row.state !== 'previous') return 'in_use';
    await dropKey(trx, row, origin);
    return 'deleted';
  });
}

async function dropKey(trx: Trx, row: AgedKeyRow, origin: Origin): Promise<void> {
  await removeKey(trx, row.kid);
  const data = { kid: row.kid, slot: row.slot };
  await record(trx, origin, { type: 'signing_key.deleted', data });
}

function needsWork(rows: AgedKeyRow[], policy: KeyPolicy): boolean {
  const slotDue = SLOT_NAMES.some((slot) => {
    const current = rows.find((row) => row.slot === slot && row.state === 'current');
    const next = rows.find((row) => row.slot === slot && row.state === 'next');
    return current === undefined || isDue(current, next, policy) !== undefined;
  });
  return (
    slotDue ||
    rows.some(
      (row) =>
        isStale(policy.boxKeys, row.private_jwk) ||
        (row.state === 'previous' && row.retired_for > policy.keepFor),
    )
  );
}

/** A next key published by hand is promoted too, so its being there counts as being asked for. */
function isDue(
  current: AgedKeyRow,
  next: AgedKeyRow | undefined,
  policy: KeyPolicy,
): 'publish' | 'promote' | undefined {
  if (next !== undefined) return next.age >= policy.publishFor ? 'promote' : undefined;
  return current.active_for >= policy.rotateAfter - policy.publishFor ? 'publish' : undefined;
}

async function maintainSlot(
  trx: Trx,
  policy: KeyPolicy,
  slot: KeySlot,
  rows: AgedKeyRow[],
): Promise<void> {
  const current = rows.find((row) => row.slot === slot && row.state === 'current');
  const next = rows.find((row) => row.slot === slot && row.state === 'next');
  if (current === undefined) {
    await addKey(trx, policy, slot, 'current', SYSTEM);
    return;
  }
  const due = isDue(current, next, policy);
  if (due === 'publish') await addKey(trx, policy, slot, 'next', SYSTEM);
  if (due === 'promote' && next) await activate(trx, slot, next.kid, SYSTEM);
}

async function activate(trx: Trx, slot: KeySlot, kid: string, origin: Origin): Promise<void> {
  await promoteKey(trx, slot);
  await record(trx, origin, { type: 'signing_key.activated', data: { kid, slot } });
}

async function addKey(
  trx: Trx,
  policy: KeyPolicy,
  slot: KeySlot,
  state: 'next' | 'current',
  origin: Origin,
): Promise<string> {
  const jwk = await generateJwk(slot);
  const kid = jwk.kid as string;
  const private_jwk = seal(policy.boxKeys, kid, JSON.stringify(jwk));
  await insertKey(trx, { kid, slot, state, private_jwk });
  await record(trx, origin, { type: 'signing_key.created', data: { kid, slot } });
  return kid;
}

async function generateJwk(slot: KeySlot): Promise<JWK> {
  const { alg, options } = SLOTS[slot];
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  // The RSA signing key names no alg, so that it serves PS256 as well as RS256.
  const named = slot === 'rsa-sig' ? {} : { alg };
  return { ...jwk, ...named, kid, use: slot.endsWith('-sig') ? 'sig' : 'enc' };
}
