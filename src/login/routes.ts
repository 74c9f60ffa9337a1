import Router from '@koa/router';
import type { Context } from 'koa';
import { AppError } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { Renderer } from '../http/render.ts';
import { logOf, originOf } from '../http/request-meta.ts';
import { accountName, canonicalIdentifier, MAX_IDENTIFIER } from '../users/identifiers.ts';
import { findUser, findUserByIdentifier, type User } from '../users/store.ts';
import { describeConsent, recordDecision } from './consent.ts';
import {
  attemptOf,
  type Claim,
  changeAttempt,
  type LoginParts,
  provePassword,
  stateOf,
} from './flow.ts';
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
    const identifier = (form.identifier ?? '').normalize('NFKC').trim().slice(0, MAX_IDENTIFIER);
    const user = await findUserByIdentifier(parts.deps.db, canonicalIdentifier(identifier));
    await submitPassword(parts, ctx, interaction, { identifier, user, password: passwordOf(form) });
  });
  post('/password', async (ctx, interaction, form) => {
    const user = await findSessionUser(parts, interaction);
    const claim = { identifier: accountName(user), user, password: passwordOf(form) };
    await submitPassword(parts, ctx, interaction, claim);
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

function passwordOf(form: Record<string, string>): string {
  return form.password ?? '';
}

async function findSessionUser(
  parts: LoginRoutesParts,
  { sessionUserId }: Interaction,
): Promise<User | undefined> {
  return sessionUserId === undefined ? undefined : findUser(parts.deps.db, sessionUserId);
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
    const account = accountName(await findUser(parts.deps.db, step.userId));
    parts.renderer.page(ctx, 'password', { ...locals, account, identifier: account });
  } else {
    parts.renderer.page(ctx, 'login', locals);
  }
}

async function submitPassword(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
  claim: Claim,
): Promise<void> {
  const { identifier } = claim;
  if (interaction.prompt !== 'login') {
    // A form of an earlier step, sent again: the flow is past it.
  } else if (identifier === '' || claim.password === '') {
    const error = identifier === '' ? 'identifier_missing' : 'password_missing';
    await changeAttempt(parts, interaction, { identifier, error, retry_after: null });
  } else {
    await provePassword(parts, ctx, interaction, claim);
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
  await recordDecision(parts, originOf(ctx), interaction, 'agreed');
  redirect(ctx, await parts.interactions.finish(ctx, { consent: { grantId } }));
}

async function abort(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
): Promise<void> {
  const decision = interaction.prompt === 'consent' ? 'denied' : 'aborted';
  await recordDecision(parts, originOf(ctx), interaction, decision);
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
      const url = await parts.interactions.restartUrl(ctx, uidOf(ctx));
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
