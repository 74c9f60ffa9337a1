import Router from '@koa/router';
import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import type { DerivedKey } from '../crypto/keyring.ts';
import type { PasswordHasher } from '../crypto/password-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import type { DeviceCookie } from '../devices/device-cookie.ts';
import type { TrustedDevices } from '../devices/trusted-devices.ts';
import { AppError } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { PageName, Renderer } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import { readUpload, type Upload } from '../http/upload.ts';
import type { Mailer } from '../mail/mail.ts';
import type { FactorAccount, FactorSummary } from '../mfa/factor.ts';
import type { MfaRules } from '../mfa/policy.ts';
import { endSession } from '../oidc-state/end.ts';
import type { CodeTools } from '../one-time-codes/issue-code.ts';
import type { PasswordRules } from '../password/password-rules.ts';
import type { Texter } from '../sms/sms.ts';
import { accountName } from '../users/identifiers.ts';
import { findActiveUser, type User } from '../users/store.ts';
import { freshnessFor, isEnough, isFresh, signInUrl } from './fresh.ts';
import type { Attribute } from './profile/read-profile.ts';

/** Who is signed in to a browser; joined in app.ts. */
export type Session = {
  uid: string;
  userId: string;
  /** Epoch seconds. */
  signedInAt: number;
  /** How sure it is who they are (mfa/acr.ts). */
  acr: string | undefined;
  /** What they proved themselves with (RFC 8176). */
  amr: readonly string[];
};

/** A factor with pages of its own below /account; joined in app.ts. */
export type AccountFactor = {
  account: (account: FactorAccount) => void;
  /** Rows of the page that lists how a person signs in. */
  summary: (user: User) => Promise<FactorSummary[]>;
};

/** What the account pages need of the provider. */
export type Sessions = {
  find: (ctx: Context) => Promise<Session | undefined>;
  forget: (ctx: Context) => void;
};

export type AccountParts = {
  deps: Deps;
  sessions: Sessions;
  renderer: Renderer;
  csrf: Csrf;
  issuer: string;
  basePath: string;
  /** The client as which people are sent to sign in. */
  clientId: string;
  devices: DeviceCookie;
  trustedDevices: TrustedDevices;
  hasher: PasswordHasher;
  passwordRules: PasswordRules;
  mailer: Mailer;
  texter: Texter;
  codes: CodeTools;
  /** Encrypt what a page shows later and nobody else may read. */
  boxKeys: readonly DerivedKey[];
  mfa: MfaRules;
  /** In the order in which they are listed. */
  factors: readonly AccountFactor[];
  /** When somebody who lost their factors gets in without, if they asked for it. */
  findRecovery: (user: User) => Promise<Date | undefined>;
  /** Profile fields of the installation's own. */
  profileAttributes: readonly Attribute[];
  /** Days between asking for deletion and its taking place; 0 for none. */
  deletionGraceDays: number;
  /** Whether people can sign in with a mailed code. */
  emailSignIn: boolean;
  /** Who may make organizations. */
  organizationCreation: 'everyone' | 'administrators';
};

/** A request of a person who is signed in. */
export type Visit = {
  ctx: Context;
  session: Session;
  user: User;
  /** Whom the audit log names. */
  origin: ReturnType<typeof originOf>;
  /** Answers with a page of theirs; 422 where a form is shown again with what is wrong with it. */
  show: (page: PageName, locals?: Record<string, unknown>, status?: number) => void;
};

export type PageOptions = {
  /**
   * The person has to have signed in in the last ten minutes, and with a second factor if they have
   * one: a browser that is remembered in place of it isn't enough.
   */
  fresh?: boolean;
};

export type ActionOptions = PageOptions & {
  /** The page with the form, where it isn't at the same path. */
  back?: string;
};

/**
 * Gives a form's answer: the page below /account to go to (303), with `?done=<what>` to say that it
 * worked; nothing when it has answered by itself, by showing the form again.
 */
export type Action = (visit: Visit, form: Record<string, string>) => Promise<string | undefined>;

/** What a form with files does; it is told nothing of one larger than the limit, in bytes. */
export type UploadAction = (
  visit: Visit,
  upload: Upload | undefined,
) => Promise<string | undefined>;

export type Account = {
  router: Router;
  /** Where a path below /account is. */
  pathOf: (path: string) => string;
  page: (path: string, options: PageOptions, handle: (visit: Visit) => Promise<void>) => void;
  action: (path: string, options: ActionOptions, handle: Action) => void;
  upload: (path: string, options: ActionOptions & { limit: number }, handle: UploadAction) => void;
  /** Ends the list of pages: any other path is not found, which a person reads within the frame. */
  close: () => void;
};

/** Pages and forms below /account, all of which need somebody who is signed in. */
export function createAccount(parts: AccountParts): Account {
  const router = new Router({ prefix: '/account' });
  const pathOf = (path: string): string => `${parts.basePath}/account${path}`;
  const receive = (
    path: string,
    options: ActionOptions,
    handle: (visit: Visit) => Promise<string | undefined>,
  ): void => {
    router.post(path, async (ctx) => {
      // Who has to sign in first goes on at the page with the form.
      const page = options.back === undefined ? ctx.path : `/account${options.back}`;
      const visit = await admit(parts, ctx, options, page);
      const next = visit && (await handle(visit));
      if (next !== undefined) seeOther(ctx, pathOf(next));
    });
  };
  return {
    router,
    pathOf,
    page: (path, options, handle) => {
      router.get(path, async (ctx) => {
        const visit = await admit(parts, ctx, options, ctx.path + ctx.search);
        if (visit !== undefined) await handle(visit);
      });
    },
    action: (path, options, handle) => {
      receive(path, options, async (visit) => {
        const form = await readForm(visit.ctx);
        parts.csrf.check(visit.ctx, csrfBinding(visit.session), form.csrf);
        return handle(visit, form);
      });
    },
    upload: (path, options, handle) => {
      receive(path, options, async (visit) => {
        const upload = await readUpload(visit.ctx, options.limit);
        if (upload) parts.csrf.check(visit.ctx, csrfBinding(visit.session), upload.fields.csrf);
        return handle(visit, upload);
      });
    },
    close: () => {
      router.all('/{*rest}', async (ctx) => {
        const signedIn = await findSignedIn(parts, ctx);
        if (signedIn !== undefined) welcome(parts, ctx, signedIn);
        throw new AppError('not_found');
      });
    },
  };
}

type SignedIn = { session: Session; user: User };

async function findSignedIn(parts: AccountParts, ctx: Context): Promise<SignedIn | undefined> {
  const session = await parts.sessions.find(ctx);
  const user = session && (await findActiveUser(parts.deps.db, session.userId));
  return user && session && { session, user };
}

/** Puts the frame around whatever page is the answer, in the person's own language. */
function welcome(parts: AccountParts, ctx: Context, { session, user }: SignedIn): void {
  const done = typeof ctx.query.done === 'string' ? ctx.query.done : undefined;
  ctx.state.csrf = parts.csrf.token(csrfBinding(session));
  ctx.state.uiLocales = user.locale ?? undefined;
  ctx.state.frame = { base: `${parts.basePath}/account`, account: accountName(user), done };
}

/** The visit, or undefined when the person was sent to sign in and comes back to `back` after. */
async function admit(
  parts: AccountParts,
  ctx: Context,
  options: PageOptions,
  back: string,
): Promise<Visit | undefined> {
  const signedIn = await findSignedIn(parts, ctx);
  if (signedIn === undefined || !(await isEnough(parts, ctx, signedIn))) {
    seeOther(ctx, signInUrl(parts, back));
    return undefined;
  }
  if (options.fresh === true && !(await isFresh(parts, signedIn))) {
    seeOther(ctx, signInUrl(parts, back, freshnessFor(parts, signedIn.user)));
    return undefined;
  }
  const { session, user } = signedIn;
  welcome(parts, ctx, signedIn);
  return {
    ctx,
    session,
    user,
    origin: originOf(ctx, `user:${user.id}`),
    show: (page, locals = {}, status = 200) => {
      const base = `${parts.basePath}/account`;
      parts.renderer.page(
        ctx,
        page,
        { base, action: `${parts.basePath}${ctx.path}`, user, ...locals },
        { status },
      );
    },
  };
}

/**
 * Brings a person who signed in back to the page they had asked for. Nothing else happens here, and
 * nobody can be sent anywhere but to a page of their account (security 12).
 */
export function returnFromSignIn({ basePath }: Pick<AccountParts, 'basePath'>) {
  return (ctx: Context): void => {
    const { state, error } = ctx.query;
    // As the browser will read it, dots and all.
    const url = URL.parse(typeof state === 'string' ? state : '', 'http://account');
    const ours = url?.host === 'account' && /^\/account(?:\/|$)/.test(url.pathname);
    const back = ours ? url.pathname + url.search : '/account';
    // Who gave up goes to a page that needs nobody, or would be asked again.
    seeOther(ctx, basePath + (error === undefined ? back : '/'));
  };
}

/**
 * Ends the session of the browser that asks. Sent again, or from a page that was left open, the form
 * leads to the same place.
 */
export function signOut(parts: AccountParts) {
  return async (ctx: Context): Promise<void> => {
    const form = await readForm(ctx);
    const session = await parts.sessions.find(ctx);
    if (session !== undefined) {
      parts.csrf.check(ctx, csrfBinding(session), form.csrf);
      const origin = originOf(ctx, `user:${session.userId}`);
      await transaction(parts.deps.db, async (trx) => {
        const ended = await endSession(trx, session.uid);
        const { userId } = session;
        if (ended !== undefined) await record(trx, origin, { type: 'session.ended', userId });
      });
    }
    parts.sessions.forget(ctx);
    // The page that says so, which an app's sign-out leads to as well.
    seeOther(ctx, `${parts.basePath}/logout/success`);
  };
}

function csrfBinding(session: Session): string {
  return `account ${session.uid}`;
}

/** 303, so that the browser asks for the next page with GET and never repeats a form. */
export function seeOther(ctx: Context, url: string): void {
  ctx.redirect(url);
  ctx.status = 303;
}
