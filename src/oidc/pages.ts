import { randomUUID } from 'node:crypto';
import type { Context } from 'koa';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import type { Renderer } from '../http/render.ts';
import { logOf } from '../http/request-meta.ts';

/** The pages the library asks for by hook. */
export type ProviderPages = {
  logout: {
    logoutSource: (ctx: KoaContextWithOIDC, form: string) => void;
    postLogoutSuccessSource: (ctx: KoaContextWithOIDC) => void;
  };
  device: {
    userCodeInputSource: (ctx: KoaContextWithOIDC, form: string, out?: object, err?: Error) => void;
    userCodeConfirmSource: (
      ctx: KoaContextWithOIDC,
      form: string,
      client: Client,
      deviceInfo: Record<string, unknown>,
      userCode: string,
    ) => void;
    successSource: (ctx: KoaContextWithOIDC) => void;
  };
  renderError: (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => void;
};

type ErrorOut = { error: string; error_description?: string | undefined };

const DEVICE_ERRORS: Record<string, string> = {
  NotFoundError: 'wrong',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
  NoCodeError: 'missing',
  AbortedError: 'aborted',
};

/** Fills our own pages with what the library hands its hooks. */
export function createProviderPages(renderer: Renderer): ProviderPages {
  const page = (ctx: KoaContextWithOIDC, name: Parameters<Renderer['page']>[1], locals: object) => {
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
      postLogoutSuccessSource: (ctx) => page(ctx, 'signed-out', { app: appOf(ctx.oidc.client) }),
    },
    device: {
      userCodeInputSource: (ctx, _form, _out, err) => {
        const status = ctx.status;
        page(ctx, 'device', {
          action: ctx.oidc.urlFor('code_verification'),
          xsrf: xsrfOf(ctx),
          error: err && (DEVICE_ERRORS[err.name] ?? 'wrong'),
          userCode: (err as { userCode?: string } | undefined)?.userCode,
        });
        if (err && status >= 400) ctx.status = status;
      },
      userCodeConfirmSource: (ctx, _form, client, deviceInfo, userCode) =>
        page(ctx, 'device-confirm', {
          action: ctx.oidc.urlFor('code_verification'),
          xsrf: xsrfOf(ctx),
          userCode,
          app: appOf(client),
          deviceInfo: { ip: deviceInfo.ip, userAgent: deviceInfo.ua },
        }),
      successSource: (ctx) => page(ctx, 'device-done', { app: appOf(ctx.oidc.client) }),
    },
    renderError: (ctx, out, error) => {
      const { status } = ctx;
      const reference = (ctx.state.requestId as string | undefined) ?? randomUUID();
      logOf(ctx as unknown as Context).info({ err: error, oauthError: out.error }, 'error page');
      renderer.page(
        ctx as unknown as Context,
        'error',
        {
          code: out.error,
          detail: out.error === 'server_error' ? undefined : out.error_description,
          reference,
          retryAfter: status === 503 ? 2 : undefined,
        },
        { status },
      );
    },
  };
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
