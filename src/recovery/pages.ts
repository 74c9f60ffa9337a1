import type { Context } from 'koa';
import { transaction } from '../db/pool.ts';
import type { PageName } from '../http/render.ts';
import { accountName, MAX_IDENTIFIER } from '../users/identifiers.ts';
import { findUser } from '../users/store.ts';
import type { Attempt, RecoveryParts, Request } from './recovery.ts';
import { requestCode } from './request-code.ts';
import { signInByCode } from './sign-in-by-code.ts';

type Form = Record<string, string>;
type Locals = Record<string, unknown>;
type ShowPage = (ctx: Context, request: Request, attempt: Attempt) => Promise<Locals>;
type Act = (ctx: Context, request: Request, form: Form) => Promise<PageName | undefined>;

const LINK_TOKEN = /^[\w-]{43}$/;

/**
 * What recovery adds to a sign-in, below /interaction/:uid:
 *
 *   reset-password   ask for a link to choose another password; then reset-password-sent
 *   email-code       ask for a code and a link to sign in by; then code
 *   code             type the code, or follow the link in the same browser and press its button
 *
 * Without mail, or where EMAIL_SIGN_IN is off, there is no such page or form.
 */
export function recoveryPages(parts: RecoveryParts): {
  offers: PageName[];
  pages: Partial<Record<PageName, ShowPage>>;
  actions: Record<string, Act>;
} {
  const { mailer, emailSignIn } = parts;
  if (!mailer.enabled) return { offers: [], pages: {}, actions: {} };
  const reset = resetPages(parts);
  const code = codePages(parts);
  return {
    offers: emailSignIn ? ['reset-password', 'code'] : ['reset-password'],
    pages: emailSignIn ? { ...reset.pages, ...code.pages } : reset.pages,
    actions: emailSignIn ? { ...reset.actions, ...code.actions } : reset.actions,
  };
}

function resetPages(parts: RecoveryParts) {
  const pages: Partial<Record<PageName, ShowPage>> = {
    'reset-password': async (_ctx, request, attempt) => {
      const { sessionUserId } = request;
      // Nothing was typed where the browser knows the person.
      if (attempt.identifier !== null || sessionUserId === undefined) return {};
      const user = await findUser(parts.deps.db, sessionUserId);
      return { identifier: accountName(user) };
    },
    'reset-password-sent': async (_ctx, request, attempt) => ({
      again: attempt.form.again,
      againAction: pathOf(parts, request, 'reset-password'),
    }),
  };
  const ask: Act = async (ctx, request, form) => {
    const { identifier, again } = await readIdentifier(parts, request, form);
    if (identifier === '') {
      await refuse(parts, request, 'identifier_missing', 'reset-password');
      return 'reset-password';
    }
    parts.returns.set(ctx, request.uid);
    const sent = await requestCode(parts, ctx, request, {
      purpose: 'reset-password',
      identifier,
      again,
      step: 'reset-password-sent',
      errorPage: again ? 'reset-password-sent' : 'reset-password',
    });
    return sent || again ? undefined : 'reset-password';
  };
  return { pages, actions: { 'reset-password': ask } };
}

function codePages(parts: RecoveryParts) {
  const pages: Partial<Record<PageName, ShowPage>> = {
    code: async (ctx, request, attempt) => {
      const { link } = ctx.query;
      return {
        waiting: attempt.step === 'code',
        again: attempt.form.again,
        link: typeof link === 'string' && LINK_TOKEN.test(link) ? link : undefined,
        sendAction: pathOf(parts, request, 'email-code'),
      };
    },
  };
  const ask: Act = async (ctx, request, form) => {
    const { identifier, again } = await readIdentifier(parts, request, form);
    if (identifier === '') {
      await refuse(parts, request, 'identifier_missing', null);
      return 'login';
    }
    const sent = await requestCode(parts, ctx, request, {
      purpose: 'sign-in',
      identifier,
      again,
      step: 'code',
      errorPage: again ? 'code' : null,
    });
    return sent || again ? undefined : 'login';
  };
  const enter: Act = (ctx, request, form) => signInByCode(parts, ctx, request, form);
  return { pages, actions: { 'email-code': ask, code: enter } };
}

/** Who is meant: as typed, or as before where the form only says to send it again. */
async function readIdentifier(
  { signIn }: RecoveryParts,
  request: Request,
  form: Form,
): Promise<{ identifier: string; again: boolean }> {
  const again = form.identifier === undefined;
  const typed = again ? (await signIn.find(request.uid)).identifier : form.identifier;
  const identifier = (typed ?? '').normalize('NFKC').trim().slice(0, MAX_IDENTIFIER);
  return { identifier, again };
}

async function refuse(
  { deps, signIn }: RecoveryParts,
  request: Request,
  error: string,
  page: string | null,
): Promise<void> {
  const change = { identifier: '', error, error_page: page, retry_after: null };
  await transaction(deps.db, (trx) => signIn.change(trx, request.uid, change));
}

function pathOf({ basePath }: RecoveryParts, { uid }: Request, page: string): string {
  return `${basePath}/interaction/${encodeURIComponent(uid)}/${page}`;
}
