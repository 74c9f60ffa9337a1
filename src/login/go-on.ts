import type { Context } from 'koa';
import { AppError } from '../errors.ts';
import type { PageName } from '../http/render.ts';
import type { FactorPages, FactorStep } from '../mfa/factor.ts';
import type { LoginParts } from './flow.ts';
import type { Interaction, InteractionSource } from './interaction.ts';
import { nextStep, type Step } from './next-step.ts';
import type { LoginPages } from './pages.ts';
import { type Loaded, loadState } from './state.ts';
import type { LoginAttempt } from './store.ts';

export type GoOnParts = LoginParts & {
  interactions: InteractionSource;
  basePath: string;
  /** What sign-up and recovery bring. */
  others: LoginPages;
  /** What second factors and passkeys bring. */
  factors: FactorPages;
};

/** A sign-in as it stands, and what comes next in it. */
export type Standing = Loaded & { attempt: LoginAttempt; step: Step };

/** Where a sign-in stands; `asked` is the page in the address. */
export async function standingOf(
  parts: GoOnParts,
  ctx: Context,
  interaction: Interaction,
  asked?: string,
): Promise<Standing> {
  const attempt = await parts.signIn.find(interaction.uid);
  const offers = new Set<string>(parts.others.offers);
  const loaded = await loadState(parts, ctx, interaction, attempt, offers, asked);
  return { ...loaded, attempt, step: nextStep(loaded.state) };
}

/** The sign-in as a factor sees it. */
export function factorStep(
  ctx: Context,
  { uid, clientId }: Interaction,
  { user, attempt, state }: Standing,
): FactorStep {
  const { step, form } = attempt;
  const proven = state.proofs.map(({ factor }) => factor);
  return { ctx, uid, clientId, user, step, form, proven };
}

/** Straight on when that was all; otherwise to a page, the next step's unless another is named. */
export async function goOn(
  parts: GoOnParts,
  ctx: Context,
  interaction: Interaction,
  page?: PageName,
): Promise<void> {
  const standing = await standingOf(parts, ctx, interaction);
  if (await ended(parts, ctx, interaction, standing)) return;
  const base = pathOf(parts, interaction.uid);
  redirect(ctx, page === undefined ? base : `${base}/${page}`);
}

/** Leads on to the client if there is no more to ask. @returns whether that was so. */
export async function ended(
  parts: GoOnParts,
  ctx: Context,
  interaction: Interaction,
  { step, state }: Standing,
): Promise<boolean> {
  const { interactions, signIn } = parts;
  if ('unmet' in step) {
    const error = 'unmet_authentication_requirements';
    const error_description = 'the person can not sign in as it was asked for';
    redirect(ctx, await interactions.finish(ctx, { error, error_description }));
    return true;
  }
  if (!('done' in step)) return false;
  const complete = await signIn.complete(ctx, interaction, step.done, state.proofs);
  const { organizationId: id, ...login } = step.done;
  const url = complete
    ? await interactions.finish(ctx, { login, ...(id && { organization: { id } }) })
    : pathOf(parts, interaction.uid);
  redirect(ctx, url);
  return true;
}

/** The address of a sign-in, below which its pages are. */
export function pathOf({ basePath }: Pick<GoOnParts, 'basePath'>, uid: string): string {
  return `${basePath}/interaction/${encodeURIComponent(uid)}`;
}

/** 303, so that the browser asks for the next page with GET and never repeats a form (RFC 9700 §4.12). */
export function redirect(ctx: Context, url: string): void {
  ctx.redirect(url);
  ctx.status = 303;
}

/** Does what a factor's form asks, where its page is due; else it is a form of another step. */
export async function actOnFactor(
  parts: GoOnParts,
  ctx: Context,
  interaction: Interaction,
  name: string,
  form: Record<string, string>,
): Promise<PageName | undefined> {
  const action = parts.factors.actions[name];
  if (action === undefined) throw new AppError('not_found');
  const standing = await standingOf(parts, ctx, interaction, action.page);
  const { step, state } = standing;
  const due = 'userId' in step && step.page === action.page;
  const open = action.first === true && opensWith(nextStep({ ...state, asked: 'login' }));
  return due || open ? action.act(factorStep(ctx, interaction, standing), form) : undefined;
}

/** Whether nobody is known yet, so that a factor can say who it is. */
function opensWith(step: Step): boolean {
  return 'page' in step && (step.page === 'login' || step.page === 'password');
}
