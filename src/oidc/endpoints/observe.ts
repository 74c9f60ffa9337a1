import { channel } from 'node:diagnostics_channel';
import type { Context } from 'koa';
import type Provider from 'oidc-provider';
import { logOf } from '../../http/request-meta.ts';

/** Carries `{ grantType }` for each answer of the token endpoint with tokens. */
export const TOKENS_ISSUED = 'plinto:tokens-issued';

/** Answers in JSON only, so no error page tells the log of them. */
const REFUSALS = [
  'device_authorization.error',
  'grant.error',
  'introspection.error',
  'pushed_authorization_request.error',
  'registration_create.error',
  'registration_delete.error',
  'registration_read.error',
  'registration_update.error',
  'revocation.error',
  'userinfo.error',
];

type Listener = (ctx: Context & { oidc?: { params?: Record<string, unknown> } }, e: Error) => void;

/** Tells metrics and the log what the library answers by itself. */
export function observe(provider: Provider): void {
  const on = provider.on.bind(provider) as unknown as (event: string, listener: Listener) => void;
  const issued = channel(TOKENS_ISSUED);
  on('grant.success', (ctx) => issued.publish({ grantType: ctx.oidc?.params?.grant_type }));
  on('server_error', (ctx, err) => logOf(ctx).error({ err }, 'server_error'));
  for (const event of REFUSALS) {
    on(event, (ctx, err) => logOf(ctx).info({ err, oauthError: err.message }, 'refused'));
  }
}
