import type { Context } from 'koa';
import type { Deps } from '../deps.ts';
import type { Mailer } from '../mail/mail.ts';
import type { MfaRules } from '../mfa/policy.ts';
import { accountName } from '../users/identifiers.ts';
import type { User } from '../users/store.ts';
import { type ChallengeTools, issueChallenge } from './challenge.ts';
import type { Passkey } from './store.ts';

export type PasskeyParts = {
  deps: Deps;
  challenges: ChallengeTools;
  relyingParty: {
    rpId: string;
    /** Of the issuer first, then those that share its passkeys. */
    origins: readonly string[];
    /** The only models that new passkeys may be kept in; none for any. */
    aaguids: readonly string[];
  };
  productName: string;
  mfa: MfaRules;
  mailer: Mailer;
  issuer: string;
  /** The language of mails that a request causes. */
  localeOf: (ctx: Context) => string;
};

/** ES256, EdDSA and RS256 of the COSE registry (RFC 9053, RFC 8812), best first. */
export const ALGORITHMS = [-7, -8, -257];

/** Milliseconds that a browser waits for the person (Web Authentication Level 3, §15.1). */
const TIMEOUT = 300_000;

/** The 16 bytes by which authenticators know a person (user handle), base64url: they tell nothing. */
export function userHandle(userId: string): string {
  return Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * What a browser is asked in order to prove a passkey: `PublicKeyCredentialRequestOptionsJSON`.
 *
 * @param request uid of the interaction in which it is proven.
 * @param allowed the only ones that will do; without them the person chooses among those they have.
 */
export function requestOptions(
  { challenges, relyingParty }: PasskeyParts,
  request: string,
  allowed: readonly Passkey[] = [],
) {
  return {
    challenge: issueChallenge(challenges, { purpose: 'get', request }),
    rpId: relyingParty.rpId,
    timeout: TIMEOUT,
    userVerification: 'required',
    allowCredentials: allowed.map(describeCredential),
  };
}

/**
 * What a browser is asked in order to create a passkey: `PublicKeyCredentialCreationOptionsJSON`.
 *
 * @param request uid of the interaction or session in which it is created.
 * @param existing those of the person, whose authenticators are left out.
 */
export function creationOptions(
  { challenges, relyingParty, productName }: PasskeyParts,
  request: string,
  { user, existing }: { user: User; existing: readonly Passkey[] },
) {
  return {
    challenge: issueChallenge(challenges, { purpose: 'create', request, userId: user.id }),
    rp: { id: relyingParty.rpId, name: productName },
    user: describeUser(user),
    timeout: TIMEOUT,
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
    excludeCredentials: existing.map(describeCredential),
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: relyingParty.aaguids.length > 0 ? 'direct' : 'none',
  };
}

/**
 * What a page lets the password manager know by WebAuthn's Signal API (Level 3, §5.1.10), by the names
 * of its methods.
 *
 * @param gone credential id of one that was deleted.
 */
export function signalsFor(
  { relyingParty: { rpId } }: PasskeyParts,
  user: User,
  passkeys: readonly Passkey[],
  gone?: string,
) {
  const { id: userId, name, displayName } = describeUser(user);
  const allAcceptedCredentialIds = passkeys.map(({ credential_id }) => credential_id);
  return {
    ...(gone !== undefined && { signalUnknownCredential: { rpId, credentialId: gone } }),
    signalAllAcceptedCredentials: { rpId, userId, allAcceptedCredentialIds },
    signalCurrentUserDetails: { rpId, userId, name, displayName },
  };
}

function describeUser(user: User) {
  const account = accountName(user);
  return { id: userHandle(user.id), name: account, displayName: user.name ?? account };
}

function describeCredential({ credential_id, transports }: Passkey) {
  return { type: 'public-key', id: credential_id, transports };
}
