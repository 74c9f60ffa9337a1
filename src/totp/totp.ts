import type { DerivedKey } from '../crypto/keyring.ts';
import { isStale, open, seal } from '../crypto/secret-box.ts';
import type { Deps, Trx } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import type { Renderer } from '../http/render.ts';
import type { Mailer } from '../mail/mail.ts';
import type { FactorSignIn } from '../mfa/factor.ts';
import type { MfaRules } from '../mfa/policy.ts';
import type { TotpKey } from './match-code.ts';
import { replaceSecret, type TotpCredential } from './store.ts';

/** What codes of authenticator apps are handled with; joined in app.ts. */
export type TotpParts = {
  deps: Deps;
  /** Encrypt the secrets; the first is current. */
  boxKeys: readonly DerivedKey[];
  mfa: MfaRules;
  /** By which name apps list an account of ours. */
  productName: string;
  renderer: Renderer;
  mailer: Mailer;
  issuer: string;
};

/** The same where somebody is signing in. */
export type TotpSignInParts = TotpParts & { devices: DeviceCookie; signIn: FactorSignIn };

/** Encrypts a secret so that nobody else's row can hold it. */
export function sealSecret(
  { boxKeys }: Pick<TotpParts, 'boxKeys'>,
  userId: string,
  secret: string,
): string {
  return seal(boxKeys, contextOf(userId), secret);
}

/** Decrypts a person's secret. @throws Error when it isn't theirs, or its key is gone. */
export function openSecret({ boxKeys }: TotpParts, userId: string, sealed: string): string {
  return open(boxKeys, contextOf(userId), sealed);
}

/** The key of somebody's app, in clear. */
export function keyOf(parts: TotpParts, credential: TotpCredential): TotpKey {
  return { ...credential, secret: openSecret(parts, credential.user_id, credential.secret) };
}

/** The key of an app that is being set up, which has our parameters. */
export function ourKey(secret: string): TotpKey {
  return { secret, algorithm: 'sha1', digits: 6, period: 30 };
}

/** Encrypts a secret anew that was encrypted with an older key, so that key can go some day. */
export async function refreshSecret(
  trx: Trx,
  parts: TotpParts,
  { id, user_id, secret }: TotpCredential,
): Promise<void> {
  if (!isStale(parts.boxKeys, secret)) return;
  const clear = openSecret(parts, user_id, secret);
  await replaceSecret(trx, id, secret, sealSecret(parts, user_id, clear));
}

/** Epoch seconds. */
export function secondsNow({ deps }: TotpParts): number {
  return Math.floor(deps.now().getTime() / 1000);
}

function contextOf(userId: string): string {
  return `totp ${userId}`;
}
