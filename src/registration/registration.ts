/**
 * How somebody comes to have an account:
 *
 *   /interaction/:uid/register         what they type is kept beside a one-time code, nowhere else
 *   /interaction/:uid/verify-email     the code or link makes the user and signs them in
 *   /interaction/:uid/resend-sign-up   another code
 *   /invitation/:token                 an account that somebody made for them (invitation-routes.ts)
 */
import type { Context } from 'koa';
import type { Config } from '../config.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { hashToken } from '../crypto/token-hash.ts';
import type { Deps, Trx } from '../deps.ts';
import type { Csrf } from '../http/csrf.ts';
import type { PageName, Renderer } from '../http/render.ts';
import type { Mailer } from '../mail/mail.ts';
import type { CodeTools } from '../one-time-codes/issue-code.ts';
import { findLink } from '../one-time-codes/redeem-code.ts';
import { findCode } from '../one-time-codes/store.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import type { User } from '../users/store.ts';
import { createDomainRule } from './domain-rule.ts';
import { createFormStamp } from './form-stamp.ts';
import { signUp } from './sign-up.ts';
import { resendCode, verifyEmail } from './verify-email.ts';

/** The part of an authorization request that signing up is about. */
export type Interaction = {
  uid: string;
  clientId: string;
  loginHint: string | undefined;
};

/** Where a sign-in stands, in so far as signing up reads and changes it. */
export type Attempt = {
  identifier: string | null;
  step: string | null;
  form: Record<string, string>;
  error: string | null;
  error_page: string | null;
  retry_after: number | null;
};

/** The sign-in that a sign-up is part of; joined in app.ts. */
export type SignIn = {
  change: (trx: Trx, uid: string, change: Partial<Attempt>) => Promise<void>;
  /** Takes a person for proven by these methods (RFC 8176). */
  prove: (
    ctx: Context,
    trx: Trx,
    interaction: { uid: string; clientId: string },
    user: User,
    proof: { factor: 'password' },
  ) => Promise<void>;
};

export type RegistrationParts = {
  deps: Deps;
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  renderer: Renderer;
  csrf: Csrf;
  mailer: Mailer;
  codes: CodeTools;
  signIn: SignIn;
  issuer: string;
  signUp: Config['signUp'];
  termsUrl: string | undefined;
  privacyUrl: string | undefined;
  /** Seconds an interaction lives. */
  ttl: number;
};

/** What the forms need beside the parts; made once. */
export type Registration = RegistrationParts & {
  domains: ReturnType<typeof createDomainRule>;
  stamp: ReturnType<typeof createFormStamp>;
};

type Page = (
  ctx: Context,
  interaction: Interaction,
  attempt: Attempt,
) => Promise<Record<string, unknown>>;

type Action = (
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
) => Promise<PageName | undefined>;

/** The pages and forms of signing up within a sign-in; none where strangers may not sign up. */
export function registrationPages(parts: RegistrationParts): {
  offers: PageName[];
  pages: Partial<Record<PageName, Page>>;
  actions: Record<string, Action>;
} {
  const { policy } = parts.signUp;
  if (policy !== 'open' && policy !== 'domains') return { offers: [], pages: {}, actions: {} };
  const registration = {
    ...parts,
    domains: createDomainRule(parts.signUp),
    stamp: createFormStamp(parts.csrf, parts.deps.now),
  };
  return {
    offers: ['register'],
    pages: {
      register: async (_ctx, interaction, attempt) => ({
        email: attempt.form.email ?? addressIn(attempt.identifier ?? interaction.loginHint),
        stamp: registration.stamp.make(interaction.uid),
        minLength: parts.passwordRules.minLength,
        termsUrl: parts.termsUrl,
        privacyUrl: parts.privacyUrl,
      }),
      'verify-email': (ctx, interaction, attempt) =>
        describeVerification(registration, ctx, interaction, attempt),
    },
    actions: {
      register: (...request) => signUp(registration, ...request),
      'verify-email': (...request) => verifyEmail(registration, ...request),
      'resend-sign-up': (...request) => resendCode(registration, ...request),
    },
  };
}

/** What somebody typed on the sign-in page may have been a username. */
function addressIn(identifier: string | undefined): string | undefined {
  return identifier?.includes('@') ? identifier : undefined;
}

async function describeVerification(
  { deps }: Registration,
  ctx: Context,
  { uid }: Interaction,
  { form }: Attempt,
): Promise<Record<string, unknown>> {
  const code = await findCode(deps.db, 'sign-up', hashToken(uid));
  const base = {
    address: code?.address ?? form.email,
    // Which code the button for another is about.
    sent: code?.id,
    resent: form.resent !== undefined,
  };
  const { link: token } = ctx.query;
  if (typeof token !== 'string') return base;
  const link = await findLink(deps.db, 'sign-up', token);
  const works = link !== undefined && link.id === code?.id && !link.used && !link.expired;
  return works ? { ...base, link: token } : { ...base, error: 'expired' };
}
