import { safeEqual } from '../crypto/keyring.ts';
import type { Trx } from '../deps.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import { redeemChallenge } from './challenge.ts';
import { type Assertion, readAssertion } from './read-credential.ts';
import { type PasskeyParts, userHandle } from './relying-party.ts';
import { findPasskey, lockPasskey, noteUse, type Passkey } from './store.ts';

export type PasskeyOutcome =
  | { ok: true; user: User; passkey: Passkey }
  /** By the same form, sent before. */
  | { ok: false; reason: 'used' }
  | { ok: false; reason: 'expired' }
  /** `unknown`: of none there is, or no longer. */
  | { ok: false; reason: 'unknown'; credentialId: string }
  | { ok: false; reason: 'wrong' | 'suspended'; userId?: string }
  /** Its counter went back, as that of a copy does. */
  | { ok: false; reason: 'suspicious'; user: User; passkey: Passkey };

/**
 * Verifies what a passkey answered to a challenge of ours (Web Authentication Level 3, §7.2) and notes
 * that it was used. Whatever comes of it, the challenge is used up.
 *
 * @param answer.userId the person whose it has to be; undefined where it shall tell who they are.
 */
export async function verifyPasskey(
  trx: Trx,
  parts: PasskeyParts,
  answer: { credential: string; request: string; userId: string | undefined },
): Promise<PasskeyOutcome> {
  const read = readAssertion(answer.credential);
  if (read === undefined) return { ok: false, reason: 'wrong' };
  const { credential, challenge } = read;
  const use = { purpose: 'get', request: answer.request } as const;
  const redeemed = await redeemChallenge(trx, parts.challenges, use, challenge);
  if (redeemed === 'used') return { ok: false, reason: redeemed };
  if (redeemed === 'expired') return { ok: false, reason: redeemed };

  const found = await findPasskey(trx, credential.id);
  if (found === undefined) return { ok: false, reason: 'unknown', credentialId: credential.id };
  const owner = found.user_id;
  if (answer.userId !== undefined && answer.userId !== owner) {
    return { ok: false, reason: 'wrong', userId: answer.userId };
  }
  // The person before their passkey: in this order all that change passkeys hold them.
  const user = await lockActiveUser(trx, owner);
  if (user === undefined) return { ok: false, reason: 'suspended', userId: owner };
  const passkey = await lockPasskey(trx, credential.id);
  if (passkey === undefined) return { ok: false, reason: 'unknown', credentialId: credential.id };

  const info = isHandleOf(owner, credential, answer.userId === undefined)
    ? await checkSignature(parts, passkey, credential, challenge)
    : undefined;
  if (info === undefined) return { ok: false, reason: 'wrong', userId: owner };
  const { newCounter, credentialBackedUp } = info;
  if ((newCounter > 0 || passkey.sign_count > 0) && newCounter <= passkey.sign_count) {
    return { ok: false, reason: 'suspicious', user, passkey };
  }
  await noteUse(trx, passkey.id, { signCount: newCounter, backedUp: credentialBackedUp });
  return { ok: true, user, passkey };
}

/** A passkey that tells who somebody is has to say so itself (§7.2, step 6). */
function isHandleOf(userId: string, { response }: Assertion, needed: boolean): boolean {
  const { userHandle: given } = response;
  return given ? safeEqual(given, userHandle(userId)) : !needed;
}

async function checkSignature(
  { relyingParty }: PasskeyParts,
  passkey: Passkey,
  { response, ...credential }: Assertion,
  challenge: string,
) {
  const { userHandle: _, ...rest } = response;
  // Loaded when the first passkey is looked at: it takes memory that many servers rarely need.
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: { ...credential, response: rest, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: [...relyingParty.origins],
      expectedRPID: relyingParty.rpId,
      requireUserVerification: true,
      credential: {
        id: passkey.credential_id,
        publicKey: new Uint8Array(passkey.public_key),
        // The library throws at one that went back, and then nothing tells it from a forgery.
        counter: 0,
      },
    });
    return verified ? authenticationInfo : undefined;
  } catch {
    return undefined;
  }
}
