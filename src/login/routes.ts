import Router from '@koa/router';
import type { Context } from 'koa';
import { AppError } from '../errors.ts';
import { readForm } from '../http/form.ts';
import type { PageName } from '../http/render.ts';
import { logOf, originOf } from '../http/request-meta.ts';
import { accountName, canonicalIdentifier, MAX_IDENTIFIER } from '../users/identifiers.ts';
import { findUser, findUserByIdentifier, type User } from '../users/store.ts';
import { recordDecision } from './consent.ts';
import { type Claim, changeAttempt, provePassword } from './flow.ts';
import { actOnFactor, goOn, pathOf, redirect, standingOf } from './go-on.ts';
import type { Interaction } from './interaction.ts';
import { chooseNewPassword } from './new-password.ts';
import { ORGANIZATION_ACTIONS } from './organization/pages.ts';
import type { LoginPages } from './pages.ts';
import { type ShowParts, showStep } from './show-step.ts';

export type LoginRoutesParts = ShowParts;

/** Why an interaction isn't this browser's, or no longer. */
const STALE = new Set(['interaction_expired', 'interaction_foreign']);

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
  const show = (ctx: Context) =>
    stale(ctx, async () => showStep(parts, ctx, await parts.interactions.find(ctx, uidOf(ctx))));
  router.get('/', show);
  // Also the address of a form, for a person who reloads after an error.
  router.get('/:page', show);
  post('/login', async (ctx, interaction, form) => {
    const identifier = (form.identifier ?? '').normalize('NFKC').trim().slice(0, MAX_IDENTIFIER);
    const user = await findUserByIdentifier(parts.deps.db, canonicalIdentifier(identifier));
    await submitPassword(parts, ctx, interaction, { identifier, user, ...passwordIn(form) });
  });
  post('/password', async (ctx, interaction, form) => {
    const user = await findSessionUser(parts, interaction);
    const claim = { identifier: accountName(user), user, ...passwordIn(form) };
    await submitPassword(parts, ctx, interaction, claim);
  });
  post('/new-password', async (ctx, interaction, form) => {
    const { step } = await standingOf(parts, ctx, interaction);
    if ('page' in step && step.page === 'new-password') {
      await chooseNewPassword(parts, ctx, interaction, form.new_password ?? '');
    }
    await goOn(parts, ctx, interaction);
  });
  post('/switch', async (ctx, interaction) => {
    await changeAttempt(parts, interaction, {
      switched: true,
      step: null,
      identifier: '',
      error: null,
      proofs: [],
      organization_id: null,
    });
    redirect(ctx, pathOf(parts, interaction.uid));
  });
  for (const name of Object.keys(ORGANIZATION_ACTIONS)) {
    post(`/${name}`, (ctx, interaction, form) =>
      actOnOrganization(parts, ctx, interaction, name, form),
    );
  }
  for (const [name, action] of Object.entries(parts.others.actions)) {
    post(`/${name}`, async (ctx, interaction, form) => {
      const page = await actUnlessPast(parts, ctx, interaction, form, action);
      await goOn(parts, ctx, interaction, page);
    });
  }
  for (const name of Object.keys(parts.factors.actions)) {
    post(`/${name}`, async (ctx, interaction, form) => {
      await goOn(parts, ctx, interaction, await actOnFactor(parts, ctx, interaction, name, form));
    });
  }
  post('/consent', (ctx, interaction) => giveConsent(parts, ctx, interaction));
  post('/abort', (ctx, interaction) => abort(parts, ctx, interaction));
  return router;
}

async function handlePost(parts: LoginRoutesParts, ctx: Context, handler: Handler): Promise<void> {
  const form = await readForm(ctx);
  parts.csrf.check(ctx, uidOf(ctx), form.csrf);
  const interaction = await parts.interactions.find(ctx, uidOf(ctx));
  // Mails that the form causes are in the language of the page.
  ctx.state.uiLocales = interaction.uiLocales;
  await handler(ctx, interaction, form);
}

function passwordIn(form: Record<string, string>): Pick<Claim, 'password' | 'canPasskey'> {
  return { password: form.password ?? '', canPasskey: form.passkeys === 'yes' };
}

async function findSessionUser(
  parts: LoginRoutesParts,
  { sessionUserId }: Interaction,
): Promise<User | undefined> {
  return sessionUserId === undefined ? undefined : findUser(parts.deps.db, sessionUserId);
}

/** Does what a form asks, unless the flow is past it: a form of an earlier step, sent again. */
async function actUnlessPast(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
  form: Record<string, string>,
  action: LoginPages['actions'][string],
): Promise<PageName | undefined> {
  const { state, step } = await standingOf(parts, ctx, interaction);
  if (interaction.prompt === 'consent') return undefined;
  // An organization may want a mailed code of who gave their password.
  const past =
    state.proofs.length > 0 &&
    !('page' in step && parts.others.offers.includes(step.page as PageName));
  return past ? undefined : action(ctx, interaction, form);
}

/** Does what a form about the organization asks, where its page is due. */
async function actOnOrganization(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
  name: string,
  form: Record<string, string>,
): Promise<void> {
  const standing = await standingOf(parts, ctx, interaction);
  const { step, user } = standing;
  if ('page' in step && step.page === name && user !== undefined) {
    await ORGANIZATION_ACTIONS[name]?.(parts, ctx, interaction, { ...standing, user }, form);
  }
  await goOn(parts, ctx, interaction);
}

async function submitPassword(
  parts: LoginRoutesParts,
  ctx: Context,
  interaction: Interaction,
  claim: Claim,
): Promise<void> {
  const { identifier } = claim;
  if (interaction.prompt === 'consent') {
    // A form of an earlier step, sent again: the flow is past it.
  } else if (identifier === '' || claim.password === '') {
    const error = identifier === '' ? 'identifier_missing' : 'password_missing';
    const change = { identifier, error, error_page: null, retry_after: null };
    await changeAttempt(parts, interaction, change);
  } else {
    await provePassword(parts, ctx, interaction, claim);
  }
  // By name where a person turned to this page from another: there they would not see its error.
  const { step } = await parts.signIn.find(interaction.uid);
  const elsewhere = step !== null || interaction.prompt === 'create';
  await goOn(parts, ctx, interaction, elsewhere ? 'login' : undefined);
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
  const { grantId, kept } = await parts.interactions.grantConsent(ctx);
  if (kept) await recordDecision(parts, originOf(ctx), interaction, 'agreed');
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
 * In another browser it is refused, with the app's own address to start from (security 2). Only a
 * link out of a mail is often opened in another: it says where to go on.
 */
function restartStale(parts: LoginRoutesParts) {
  return async (ctx: Context, handle: () => Promise<void>): Promise<void> => {
    try {
      await handle();
    } catch (error) {
      if (!(error instanceof AppError) || !STALE.has(error.code)) throw error;
      if (ctx.method === 'GET' && typeof ctx.query.link === 'string') {
        parts.renderer.page(ctx, 'link-elsewhere');
        return;
      }
      if (error.code !== 'interaction_expired') throw error;
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
