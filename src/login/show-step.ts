import type { Context } from 'koa';
import type { Csrf } from '../http/csrf.ts';
import type { PageName } from '../http/render.ts';
import type { FactorStep } from '../mfa/factor.ts';
import { accountName } from '../users/identifiers.ts';
import { findUser, type User } from '../users/store.ts';
import { describeConsent } from './consent.ts';
import { ended, factorStep, type GoOnParts, pathOf, type Standing, standingOf } from './go-on.ts';
import type { Interaction } from './interaction.ts';
import { describeNewPassword, type NewPasswordParts } from './new-password.ts';
import type { Step } from './next-step.ts';
import {
  brandingFor,
  describeOrganization,
  type OrganizationPagesParts,
} from './organization/pages.ts';
import type { LoginAttempt } from './store.ts';

export type ShowParts = GoOnParts & NewPasswordParts & OrganizationPagesParts & { csrf: Csrf };

/** Where somebody proves who they are. */
const FIRST_PAGES: readonly string[] = ['login', 'password'];

/** Answers with the page that comes next, or leads on to the client. */
export async function showStep(
  parts: ShowParts,
  ctx: Context,
  interaction: Interaction,
): Promise<void> {
  const asked = ctx.params.page as string | undefined;
  const standing = await standingOf(parts, ctx, interaction, asked);
  const { step, attempt } = standing;
  if ((await ended(parts, ctx, interaction, standing)) || !('page' in step)) return;
  const { renderer, others } = parts;
  const base = pathOf(parts, interaction.uid);
  ctx.state.uiLocales = interaction.uiLocales;
  ctx.state.csrf = parts.csrf.token(interaction.uid);
  const page = step.page as PageName;
  ctx.state.branding = await brandingFor(parts, interaction, standing);
  const locals = {
    app: interaction.app,
    base,
    action: `${base}/${page}`,
    abortAction: `${base}/abort`,
    switchAction: `${base}/switch`,
    offers: others.offers,
    identifier: attempt.identifier ?? interaction.loginHint,
    form: attempt.form,
    error: errorOn(page, attempt) ?? lossOn(page, standing) ?? wishOn(page, step),
    retryAfter: attempt.retry_after ?? undefined,
  };
  renderer.page(ctx, page, {
    ...locals,
    ...(await describe(parts, ctx, interaction, standing, step)),
    ...(await describeOrganization(parts, interaction, standing, page)),
  });
}

/** What a page shows beside what every page does. */
async function describe(
  parts: ShowParts,
  ctx: Context,
  interaction: Interaction,
  standing: Standing,
  step: Extract<Step, { page: string }>,
): Promise<Record<string, unknown>> {
  const { factors, others } = parts;
  const page = step.page as PageName;
  const { user } = standing;
  const first = FIRST_PAGES.includes(page) || others.offers.includes(page);
  if ('others' in step && user !== undefined && !first) {
    return describeLater(parts, { ...factorStep(ctx, interaction, standing), user }, step);
  }
  const shown = await others.pages[page]?.(ctx, interaction, standing.attempt);
  if (shown !== undefined) return shown;
  if (page === 'consent') {
    return { ...(await describeConsent(parts.deps.db, interaction)), error: undefined };
  }
  const added = await factors.additions?.[page]?.(factorStep(ctx, interaction, standing));
  if (!('userId' in step)) return { ...added };
  const account = accountName(await findUser(parts.deps.db, step.userId));
  return { account, identifier: account, ...added };
}

/** A page for somebody of whom something is proven. */
async function describeLater(
  parts: ShowParts,
  step: FactorStep & { user: User },
  { page, others }: { page: string; others: readonly string[] },
): Promise<Record<string, unknown>> {
  const { user } = step;
  const account = accountName(user);
  const shown = await parts.factors.pages[page as PageName]?.(step);
  return {
    account,
    identifier: account,
    others,
    // Of administrators a second factor is asked for each time.
    rememberDays: user.administrator ? 0 : parts.mfa.rememberDays,
    ...(page === 'enrol-mfa' ? { choices: others } : {}),
    ...(page === 'new-password' ? describeNewPassword(parts, user) : {}),
    ...shown,
  };
}

/** Who is back at the first page without having done anything wrong reads why. */
function lossOn(page: string, { attempt, state }: Standing): string | undefined {
  const lost = attempt.proofs.length > 0 && state.proofs.length === 0;
  return lost && FIRST_PAGES.includes(page) ? 'changed_meanwhile' : undefined;
}

/** Who proved something and is back at the first page reads that the organization asks for it. */
function wishOn(page: string, step: Step): string | undefined {
  return 'others' in step && FIRST_PAGES.includes(page) ? 'organization_method' : undefined;
}

/** An error is shown on the page that it is about, and on no other that a person turns to. */
function errorOn(page: string, { error, error_page }: LoginAttempt): string | undefined {
  const about = error_page === null ? FIRST_PAGES : [error_page];
  return error !== null && about.includes(page) ? error : undefined;
}
