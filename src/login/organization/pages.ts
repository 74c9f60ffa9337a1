import type { Context } from 'koa';
import type { Origin } from '../../audit/events.ts';
import { transaction } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import { originOf } from '../../http/request-meta.ts';
import { ANY_ORGANIZATION } from '../../organizations/resolve.ts';
import type { User } from '../../users/store.ts';
import type { Interaction } from '../interaction.ts';
import type { SignIn } from '../sign-in.ts';
import type { LoginAttempt } from '../store.ts';
import { type OrganizationParts, resolveAsked } from './state.ts';

/** What sign-in pages wear in place of the installation's own. */
type Branding = { name: string; logo?: string; css?: string };

export type OrganizationPagesParts = OrganizationParts & {
  signIn: SignIn;
  /** Makes somebody a member, if they may by their verified address. @returns whether they are one. */
  join: (trx: Trx, origin: Origin, organizationId: string, user: User) => Promise<boolean>;
  /** How pages of the organization with this slug or id look. */
  findBranding: (db: Db, organization: string) => Promise<Branding | undefined>;
};

type Standing = { attempt: LoginAttempt; user: User | undefined };

const PAGES = ['choose-organization', 'organization-refused', 'join-organization'];

/** What the pages about an organization show; nothing on others. */
export async function describeOrganization(
  { deps }: OrganizationPagesParts,
  interaction: Interaction,
  { attempt, user }: Standing,
  page: string,
): Promise<Record<string, unknown>> {
  if (user === undefined || !PAGES.includes(page)) return {};
  const found = await resolveAsked(deps.db, interaction, attempt, user.id);
  switch (found?.outcome) {
    case 'choose':
      return { choices: found.choices };
    case 'refused': {
      const { reason, organization } = found;
      // A stranger isn't told the name of one that they only guessed.
      const told = reason === 'suspended' || page === 'join-organization';
      return { reason, organization: told ? organization : undefined };
    }
    case 'in':
      return { reason: 'method', organization: found.organization };
    default:
      return {};
  }
}

/**
 * How an organization looks to whoever signs in to it; undefined for one that set nothing, which thus
 * isn't named to strangers either.
 */
export async function brandingFor(
  { deps, findBranding }: OrganizationPagesParts,
  { askedOrganization: asked }: Interaction,
  { attempt }: Standing,
): Promise<Branding | undefined> {
  const named = asked === ANY_ORGANIZATION ? attempt.organization_id : asked;
  if (named === null || named === undefined) return undefined;
  const branding = await findBranding(deps.db, named);
  return branding?.logo || branding?.css ? branding : undefined;
}

type Act = (
  parts: OrganizationPagesParts,
  ctx: Context,
  interaction: Interaction,
  standing: Standing & { user: User },
  form: Record<string, string>,
) => Promise<void>;

/** What the forms of these pages do, where their page is due. */
export const ORGANIZATION_ACTIONS: Readonly<Record<string, Act>> = {
  'choose-organization': async ({ deps, signIn }, _ctx, interaction, standing, form) => {
    const { user, attempt } = standing;
    const found = await resolveAsked(deps.db, interaction, attempt, user.id);
    const choices = found?.outcome === 'choose' ? found.choices : [];
    const chosen = choices.find(({ id }) => id === form.organization);
    const change =
      chosen === undefined
        ? { error: 'organization_missing', error_page: 'choose-organization' }
        : {
            organization_id: chosen.id,
            organization_chooser: user.id,
            error: null,
            error_page: null,
          };
    await transaction(deps.db, (trx) => signIn.change(trx, interaction.uid, change));
  },
  'join-organization': async ({ deps, join }, ctx, interaction, { user, attempt }) => {
    const found = await resolveAsked(deps.db, interaction, attempt, user.id);
    const wanted = found?.outcome === 'refused' ? found.organization : undefined;
    if (wanted === undefined) return;
    const origin = originOf(ctx, `user:${user.id}`);
    await transaction(deps.db, (trx) => join(trx, origin, wanted.id, user));
  },
};
