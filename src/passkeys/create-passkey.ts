import { v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import type { Trx } from '../deps.ts';
import { recordFactorChange } from '../mfa/notices.ts';
import { lockActiveUser } from '../users/store.ts';
import { nameFor } from './authenticators.ts';
import { redeemChallenge } from './challenge.ts';
import { type Attestation, readAttestation } from './read-credential.ts';
import { ALGORITHMS, type PasskeyParts } from './relying-party.ts';
import { findPasskey, insertPasskey, listPasskeys, type NewPasskey } from './store.ts';

/** Passkeys that one person may have. */
export const MAX_PASSKEYS = 20;

const TRANSPORTS = ['usb', 'nfc', 'ble', 'smart-card', 'hybrid', 'internal', 'cable'];

export type CreationOutcome =
  | { ok: true; passkey: NewPasskey }
  /** The same form was sent before; `added` if that worked. */
  | { ok: false; reason: 'used'; added: boolean }
  /** `taken`: there is one of this credential id. `model`: it may not be kept there. */
  | { ok: false; reason: 'expired' | 'wrong' | 'taken' | 'model' | 'limit' };

/**
 * Verifies what a browser says of a passkey that it created (Web Authentication Level 3, §7.1), gives
 * it to the person, and tells them.
 *
 * @param made.request what the challenge was issued in: uid of an interaction or session.
 * @param made.locale language of the mail to a person who set none.
 */
export async function createPasskey(
  trx: Trx,
  parts: PasskeyParts,
  origin: Origin,
  made: { userId: string; request: string; credential: string; locale: string },
): Promise<CreationOutcome> {
  const { userId, request } = made;
  const read = readAttestation(made.credential);
  if (read === undefined) return { ok: false, reason: 'wrong' };
  const { credential, challenge } = read;
  const use = { purpose: 'create', request, userId } as const;
  const redeemed = await redeemChallenge(trx, parts.challenges, use, challenge);
  if (redeemed === 'used') {
    const added = (await findPasskey(trx, credential.id))?.user_id === userId;
    return { ok: false, reason: 'used', added };
  }
  if (redeemed === 'expired') return { ok: false, reason: 'expired' };

  const info = await checkAttestation(parts, credential, challenge);
  if (info === undefined) return { ok: false, reason: 'wrong' };
  const { aaguids } = parts.relyingParty;
  if (aaguids.length > 0 && !aaguids.includes(info.aaguid)) return { ok: false, reason: 'model' };
  const user = await lockActiveUser(trx, userId);
  if (user === undefined) return { ok: false, reason: 'wrong' };
  if ((await listPasskeys(trx, userId)).length >= MAX_PASSKEYS) {
    return { ok: false, reason: 'limit' };
  }
  const passkey: NewPasskey = {
    id: uuid(),
    user_id: userId,
    credential_id: info.credential.id,
    public_key: Buffer.from(info.credential.publicKey),
    sign_count: info.credential.counter,
    transports: TRANSPORTS.filter((one) => credential.response.transports?.includes(one)),
    aaguid: info.aaguid,
    backup_eligible: info.credentialDeviceType === 'multiDevice',
    backed_up: info.credentialBackedUp,
    name: nameFor(info.aaguid, origin.userAgent ?? ''),
  };
  if (!(await insertPasskey(trx, passkey))) return { ok: false, reason: 'taken' };
  const by = { user, origin, locale: made.locale };
  await recordFactorChange(trx, parts, by, { kind: 'added', factor: 'passkey' });
  return { ok: true, passkey };
}

async function checkAttestation(
  { relyingParty }: PasskeyParts,
  { response, ...credential }: Attestation,
  challenge: string,
) {
  const { clientDataJSON } = response;
  // As in verify-passkey.ts, not before it is needed.
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server');
  const helpers = await import('@simplewebauthn/server/helpers');
  try {
    const attestationObject = withoutStatement(helpers, response.attestationObject);
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        ...credential,
        response: { clientDataJSON, attestationObject },
        clientExtensionResults: {},
      },
      expectedChallenge: challenge,
      expectedOrigin: [...relyingParty.origins],
      expectedRPID: relyingParty.rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    // The browser's word for the id has to be the authenticator's.
    return verified && registrationInfo?.credential.id === credential.id
      ? registrationInfo
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What an authenticator says of itself, without what is to prove it: there are no roots to check that
 * against, and the library would fetch the lists of revoked certificates that a made-up one names,
 * from wherever it says (security 28).
 */
function withoutStatement(
  {
    decodeAttestationObject,
    isoBase64URL,
    isoCBOR,
  }: typeof import('@simplewebauthn/server/helpers'),
  attestationObject: string,
): string {
  const object = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject));
  const none = new Map<string, unknown>([
    ['fmt', 'none'],
    ['attStmt', new Map()],
    ['authData', object.get('authData')],
  ]);
  return isoBase64URL.fromBuffer(isoCBOR.encode(none as Parameters<typeof isoCBOR.encode>[0]));
}
