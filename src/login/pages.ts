import type { Context } from 'koa';
import type { PageName } from '../http/render.ts';
import type { FactorPages } from '../mfa/factor.ts';
import type { Interaction } from './interaction.ts';
import type { LoginAttempt } from './store.ts';

/** What another slice adds to signing in: pages, and what their forms do; joined in app.ts. */
export type LoginPages = {
  /** Pages that anybody may ask for by their address. */
  offers: readonly PageName[];
  /** What each page shows beside what every page does (app, action, identifier, error). */
  pages: Partial<
    Record<
      PageName,
      (
        ctx: Context,
        interaction: Interaction,
        attempt: LoginAttempt,
      ) => Promise<Record<string, unknown>>
    >
  >;
  /**
   * What forms do, by the last part of their address. Gives the page to go on at, if that isn't
   * simply the next one. Called only while nobody is proven yet.
   */
  actions: Record<
    string,
    (
      ctx: Context,
      interaction: Interaction,
      form: Record<string, string>,
    ) => Promise<PageName | undefined>
  >;
};

/** Several slices' pages as one. */
export function joinPages(all: readonly LoginPages[]): LoginPages {
  return {
    offers: all.flatMap(({ offers }) => offers),
    pages: Object.assign({}, ...all.map(({ pages }) => pages)),
    actions: Object.assign({}, ...all.map(({ actions }) => actions)),
  };
}

/** Several factors' pages as one; what more than one adds to a page is put together. */
export function joinFactors(all: readonly FactorPages[]): FactorPages {
  const additions: NonNullable<FactorPages['additions']> = {};
  for (const factor of all) {
    for (const [page, add] of Object.entries(factor.additions ?? {})) {
      const before = additions[page as PageName];
      additions[page as PageName] = async (step) => ({
        ...(await before?.(step)),
        ...(await add(step)),
      });
    }
  }
  return {
    pages: Object.assign({}, ...all.map(({ pages }) => pages)),
    additions,
    actions: Object.assign({}, ...all.map(({ actions }) => actions)),
  };
}
