import { randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Renderer } from '../../http/render.ts';
import { logOf } from '../../http/request-meta.ts';

/** The pages the library asks for by hook. */
export type ProviderPages = {
  logout: {
    logoutSource: (ctx: KoaContextWithOIDC, form: string) => void;
    postLogoutSuccessSource: (ctx: KoaContextWithOIDC) => Promise<void>;
  };
  device: {
    userCodeInputSource: (
      ctx: KoaContextWithOIDC,
      form: string,
      out?: object,
      err?: Error,
    ) => Promise<void>;
    userCodeConfirmSource: (
      ctx: KoaContextWithOIDC,
      form: string,
      client: Client,
      deviceInfo: Record<string, unknown>,
      userCode: string,
    ) => Promise<void>;
    successSource: (ctx: KoaContextWithOIDC) => void;
  };
  renderError: (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => Promise<void>;
};

type ErrorOut = { error: string; error_description?: string | undefined };

const DEVICE_ERRORS: Record<string, string> = {
  NotFoundError: 'wrong',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
  NoCodeError: 'missing',
  AbortedError: 'aborted',
};

/** What the pages ask for that the library doesn't hand them. */
export type PageSources = {
  /** The name under which a person knows their account. */
  accountName: (userId: string) => Promise<string>;
  /** Where a sign-in goes on that was finished already or took too long. */
  restartUrl: (ctx: Context, uid: string) => Promise<string | undefined>;
};

/** Fills our own pages with what the library hands its hooks. */
export function createProviderPages(
  renderer: Pick<Renderer, 'page'>,
  sources: PageSources,
): ProviderPages {
  const page: ShowPage = (ctx, name, locals) => {
    ctx.state.uiLocales = ctx.oidc.params?.ui_locales;
    renderer.page(ctx as unknown as Context, name, { ...locals });
  };
  return {
    logout: {
      logoutSource: (ctx) =>
        page(ctx, 'logout', {
          action: ctx.oidc.urlFor('end_session_confirm'),
          xsrf: xsrfOf(ctx),
          app: appOf(ctx.oidc.client),
        }),
      postLogoutSuccessSource: async (ctx) => {
        // The library comes here too when the person chose to stay.
        const { accountId } = await ctx.oidc.provider.Session.get(ctx);
        const app = appOf(ctx.oidc.client);
        page(ctx, accountId === undefined ? 'signed-out' : 'still-signed-in', { app });
      },
    },
    device: devicePages(page, sources),
    renderError: async (ctx, out, error) => {
      const onward = await onwardUrl(ctx, error, sources);
      if (onward === undefined) return showError(page, ctx, out, error);
      ctx.redirect(onward);
      ctx.status = 303;
    },
  };
}

function showError(
  page: ShowPage,
  ctx: KoaContextWithOIDC,
  out: ErrorOut,
  error: Error,
  restartUrl?: string,
): void {
  const { status } = ctx;
  logOf(ctx as unknown as Context).info({ err: error, oauthError: out.error }, 'error page');
  page(ctx, 'error', {
    code: out.error,
    detail: out.error === 'server_error' ? undefined : out.error_description,
    reference: (ctx.state.requestId as string | undefined) ?? randomUUID(),
    retryAfter: status === 503 ? 2 : undefined,
    restartUrl,
  });
  ctx.status = status;
}

type ShowPage = (
  ctx: KoaContextWithOIDC,
  name: Parameters<Renderer['page']>[1],
  locals: object,
) => void;

function devicePages(page: ShowPage, sources: PageSources): ProviderPages['device'] {
  return {
    userCodeInputSource: async (ctx, _form, out, err) => {
      const { status } = ctx;
      const { session } = ctx.oidc;
      if (err && session && session.exp === undefined) {
        // A session that was never stored can't check the form; asking for the page anew makes one.
        Object.assign(session, { touched: false });
        const url = ctx.oidc.urlFor('code_verification');
        return showError(page, ctx, out as ErrorOut, err, url);
      }
      const connected = err && (await connectedClient(ctx));
      if (connected) return page(ctx, 'device-done', { app: appOf(connected) });
      page(ctx, 'device', {
        action: ctx.oidc.urlFor('code_verification'),
        xsrf: xsrfOf(ctx),
        error: err && (DEVICE_ERRORS[err.name] ?? 'wrong'),
        userCode: (err as { userCode?: string } | undefined)?.userCode,
      });
      if (err && status >= 400) ctx.status = status;
    },
    userCodeConfirmSource: async (ctx, _form, client, deviceInfo, userCode) => {
      const userId = ctx.oidc.session?.accountId;
      page(ctx, 'device-confirm', {
        action: ctx.oidc.urlFor('code_verification'),
        xsrf: xsrfOf(ctx),
        userCode,
        app: appOf(client),
        account: userId && (await sources.accountName(userId)),
        deviceInfo: { ip: deviceInfo.ip, userAgent: deviceInfo.ua },
      });
    },
    successSource: (ctx) => page(ctx, 'device-done', { app: appOf(ctx.oidc.client) }),
  };
}

/** Where a form that was sent again leads: to where it led the first time. */
async function onwardUrl(
  ctx: KoaContextWithOIDC,
  error: Error,
  sources: PageSources,
): Promise<string | undefined> {
  const { route, session } = ctx.oidc;
  if (route === 'resume' && error instanceof errors.SessionNotFound) {
    const plain = ctx as unknown as Context;
    return sources.restartUrl(plain, String(plain.params.uid));
  }
  const signedOut = session !== undefined && session.accountId === undefined;
  const again = route === 'end_session_confirm' && error instanceof errors.InvalidRequest;
  return again && signedOut ? ctx.oidc.urlFor('end_session_success') : undefined;
}

/** The app of a device that this session connected already with the code that was sent again. */
async function connectedClient(ctx: KoaContextWithOIDC): Promise<Client | undefined> {
  const { params, provider, session } = ctx.oidc;
  const { user_code: userCode, confirm } = params ?? {};
  if (typeof userCode !== 'string' || confirm === undefined) return undefined;
  const code = await provider.DeviceCode.findByUserCode(userCode.toUpperCase().replace(/\W/g, ''), {
    ignoreExpiration: true,
  });
  if (code?.accountId === undefined || code.sessionUid !== session?.uid) return undefined;
  return provider.Client.find(String(code.clientId));
}

/** What a page may say of a client. */
export function appOf(client: Client | undefined): Record<string, string | undefined> | undefined {
  if (client === undefined) return undefined;
  return {
    name: client.clientName ?? client.clientId,
    clientUri: client.clientUri,
    policyUri: client.policyUri,
    tosUri: client.tosUri,
  };
}

function xsrfOf(ctx: KoaContextWithOIDC): string | undefined {
  return (ctx.oidc.session?.state as { secret?: string } | undefined)?.secret;
}
