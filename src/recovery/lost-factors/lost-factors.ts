import type { Context } from 'koa';
import type { Deps } from '../../deps.ts';
import type { DeviceCookie } from '../../devices/device-cookie.ts';
import type { Csrf } from '../../http/csrf.ts';
import type { Renderer } from '../../http/render.ts';
import type { Mailer } from '../../mail/mail.ts';
import type { FactorSignIn } from '../../mfa/factor.ts';
import type { CodeTools } from '../../one-time-codes/issue-code.ts';
import type { Texter } from '../../sms/sms.ts';
import type { User } from '../../users/store.ts';

/**
 * What the recovery of lost second factors is built from: a person asks for it once their password is
 * proven, everything that reaches them is told, and after some hours a code that is mailed to them
 * takes the place of what they lost (login.md).
 */
export type LostFactorsParts = {
  deps: Deps;
  codes: CodeTools;
  devices: DeviceCookie;
  mailer: Mailer;
  texter: Texter;
  renderer: Renderer;
  csrf: Csrf;
  issuer: string;
  basePath: string;
  /** Hours that a person waits; 0 where nobody gets in that way. */
  recoveryDelayHours: number;
};

export type LostFactorsSteps = LostFactorsParts & { signIn: FactorSignIn };

/** A person who is in the middle of signing in. */
export type Asking = { ctx: Context; uid: string; clientId: string; user: User };

/**
 * Whether somebody may get in without their second factors after a wait. Administrators may not:
 * another of them resets theirs.
 */
export function mayRecover(
  { recoveryDelayHours, mailer }: Pick<LostFactorsParts, 'recoveryDelayHours' | 'mailer'>,
  user: User,
): boolean {
  const reached = mailer.enabled && user.email !== null && user.email_verified_at !== null;
  return recoveryDelayHours > 0 && reached && !user.administrator;
}

/** Seconds, as pages say the wait. */
export function delayOf({ recoveryDelayHours }: Pick<LostFactorsParts, 'recoveryDelayHours'>) {
  return recoveryDelayHours * 3600;
}
