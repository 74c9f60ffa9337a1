import Router from '@koa/router';
import type { Context } from 'koa';
import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import { AppError } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { Renderer } from '../http/render.ts';
import { logOf, originOf } from '../http/request-meta.ts';
import { findUser } from '../users/store.ts';
import { describeConsent, recordConsent } from './consent.ts';
import { attemptOf, changeAttempt, type LoginParts, provePassword, stateOf } from './flow.ts';
import type { Interaction, InteractionSource } from './interaction.ts';
import { nextStep } from './next-step.ts';

export type LoginRoutesParts = LoginParts & {
  interactions: InteractionSource;
  renderer: Renderer;
  csrf: Csrf;
  basePath: string;
};

type Handler = (
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
) => Promise<void>;

/** The pages of a sign-in; flow.ts has the map. */
export function loginRoutes(parts: LoginRoutesParts): Router {
  const router = new Router({ prefix: '/interaction/:uid' });
  const stale = restartStale(parts);
  const post = (path: string, handler: Handler): void => {
    router.post(path, (ctx) => stale(ctx, () => handlePost(parts, ctx, handler)));
  };
  router.get('/', (ctx) =>
    stale(ctx, async () => showStep(parts, ctx, await parts.interactions.find(ctx, uidOf(ctx)))),
  );
  // A person who reloads after an error has the address of a form: back to the page it was on.
  router.get('/:step', (ctx) => redirect(ctx, pathOf(parts, uidOf(ctx))));
  post('/login', async (ctx, interaction, form) => {
    await submitPassword(parts, ctx, interaction, form.identifier ?? '', form.password ?? '');
  });
  post('/password', async (ctx, interaction, form) => {
    const user =
      interaction.sessionUserId && (await findUser(parts.deps.db, interaction.sessionUserId));
    const identifier = user ? (user.email ?? user.username ?? '') : '';
    await submitPassword(parts, ctx, interaction, identifier, form.password ?? '');
  });
  post('/switch', async (ctx, interaction) => {
    await changeAttempt(parts, interaction, {
      switched: true,
      identifier: '',
      error: null,
      proofs: [],
    });
    redirect(ctx, pathOf(parts, interaction.uid));
  });
  post('/consent', (ctx, interaction) => giveConsent(parts, ctx, interaction));
  post('/abort', (ctx, interaction) => abort(parts, ctx, interaction));
  return router;
}

async function handlePost(parts: LoginRoutesParts, ctx: Context, handler: Handler): Promise<void> {
  const form = await readForm(ctx);
  parts.csrf.check(ctx, uidOf(ctx), form.csrf);
  await handler(ctx, await parts.interactions.find(ctx, uidOf(ctx)), form);
}

async function showStep(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
): Promise<void> {
  const attempt = await attemptOf(parts, interaction);
  const step = nextStep(stateOf(interaction, attempt));
  if ('done' in step) {
    redirect(ctx, await parts.interactions.finish(ctx, { login: step.done }));
    return;
  }
  const base = pathOf(parts, interaction.uid);
  ctx.state.uiLocales = interaction.uiLocales;
  ctx.state.csrf = parts.csrf.token(interaction.uid);
  const locals = {
    app: interaction.app,
    action: `${base}/${step.page}`,
    abortAction: `${base}/abort`,
    switchAction: `${base}/switch`,
    identifier: attempt.identifier ?? interaction.loginHint,
    error: attempt.error ?? undefined,
    retryAfter: attempt.retry_after ?? undefined,
  };
  if (step.page === 'consent') {
    const consent = await describeConsent(parts.deps.db, interaction);
    parts.renderer.page(ctx, 'consent', { ...locals, ...consent, error: undefined });
  } else if (step.page === 'password') {
    const user = await findUser(parts.deps.db, step.userId);
    const account = user?.email ?? user?.username ?? '';
    parts.renderer.page(ctx, 'password', { ...locals, account, identifier: account });
  } else {
    parts.renderer.page(ctx, 'login', locals);
  }
}

async function submitPassword(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
  identifier: string,
  password: string,
): Promise<void> {
  const name = identifier.normalize('NFKC').trim();
  const missing = name === '' ? 'identifier_missing' : password === '' ? 'password_missing' : null;
  if (interaction.prompt !== 'login') {
    // A form of an earlier step, sent again: the flow is past it.
  } else if (missing !== null) {
    await changeAttempt(parts, interaction, {
      identifier: name,
      error: missing,
      retry_after: null,
    });
  } else {
    await provePassword(parts, ctx, interaction, { identifier: name, password });
  }
  // Straight on when that was all; otherwise to the page of the next step.
  const attempt = await attemptOf(parts, interaction);
  const step = nextStep(stateOf(interaction, attempt));
  const target =
    'done' in step
      ? await parts.interactions.finish(ctx, { login: step.done })
      : pathOf(parts, interaction.uid);
  redirect(ctx, target);
}

async function giveConsent(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
): Promise<void> {
  if (interaction.prompt !== 'consent') {
    redirect(ctx, pathOf(parts, interaction.uid));
    return;
  }
  const grantId = await parts.interactions.grantConsent(ctx);
  await recordConsent(parts.deps, originOf(ctx), interaction, true);
  redirect(ctx, await parts.interactions.finish(ctx, { consent: { grantId } }));
}

async function abort(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
): Promise<void> {
  const { clientId } = interaction;
  if (interaction.prompt === 'consent') {
    await recordConsent(parts.deps, originOf(ctx), interaction, false);
  } else {
    await transaction(parts.deps.db, (trx) =>
      record(trx, originOf(ctx), { type: 'sign_in.aborted', clientId }),
    );
  }
  const result = { error: 'access_denied', error_description: 'the person did not go on' };
  redirect(ctx, await parts.interactions.finish(ctx, result));
}

/**
 * A page that was left open too long starts again for the same client, instead of saying "expired".
 * In another browser it is refused, with the app's own address to start from (security 2).
 */
function restartStale(parts: LoginRoutesParts) {
  return async (ctx: Context, handle: () => Promise<void>): Promise<void> => {
    try {
      await handle();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'interaction_expired') throw error;
      const url = await parts.interactions.restartUrl(uidOf(ctx));
      if (url === undefined) throw error;
      logOf(ctx).info('a stale sign-in page starts again');
      redirect(ctx, url);
    }
  };
}

function uidOf(ctx: Context): string {
  return String(ctx.params.uid);
}

function pathOf(parts: LoginRoutesParts, uid: string): string {
  return `${parts.basePath}/interaction/${encodeURIComponent(uid)}`;
}

/** 303, so that the browser asks for the next page with GET and never repeats a form (RFC 9700 §4.12). */
function redirect(ctx: Context, url: string): void {
  ctx.redirect(url);
  ctx.status = 303;
}
