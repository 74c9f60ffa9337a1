import type { Context } from 'koa';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import type { Deps, Trx } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import type { Csrf } from '../http/csrf.ts';
import type { Renderer } from '../http/render.ts';
import type { Mailer } from '../mail/mail.ts';
import type { CodeTools } from '../one-time-codes/issue-code.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import type { User } from '../users/store.ts';
import type { ReturnCookie } from './return-cookie.ts';

/** The authorization request that a person is in the middle of, as far as recovery cares. */
export type Request = { uid: string; clientId: string; sessionUserId: string | undefined };

/** Where a sign-in stands, as far as recovery cares. */
export type Attempt = {
  identifier: string | null;
  step: string | null;
  form: Record<string, string>;
  proofs: unknown[];
};

/** What recovery changes of it. */
export type AttemptChange = {
  identifier?: string;
  step?: string | null;
  form?: Record<string, string>;
  error: string | null;
  error_page: string | null;
  retry_after: number | null;
};

/** What recovery needs of signing in; joined in app.ts. */
export type SignInSteps = {
  find: (uid: string) => Promise<Attempt>;
  change: (trx: Trx, uid: string, change: AttemptChange) => Promise<void>;
  prove: (
    ctx: Context,
    trx: Trx,
    request: Request,
    user: User,
    proof: { factor: 'email' },
  ) => Promise<void>;
};

/** What the slice is built from. */
export type RecoveryParts = {
  deps: Deps;
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  devices: DeviceCookie;
  mailer: Mailer;
  renderer: Renderer;
  csrf: Csrf;
  codes: CodeTools;
  signIn: SignInSteps;
  returns: ReturnCookie;
  issuer: string;
  basePath: string;
  /** Whether people may sign in by a code or link that is mailed to them. */
  emailSignIn: boolean;
};

/** A form that went well: nothing is left to be told of the tries before. */
export const NO_ERROR = { error: null, error_page: null, retry_after: null } as const;
