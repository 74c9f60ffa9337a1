import type { Db, Deps } from '../../deps.ts';
import type { SignInMethod } from '../../mfa/sign-in-methods.ts';
import {
  ANY_ORGANIZATION,
  type ResolvedOrganization,
  resolveOrganization,
} from '../../organizations/resolve.ts';
import type { User } from '../../users/store.ts';
import type { Interaction } from '../interaction.ts';
import type { LoginAttempt } from '../store.ts';

/** The organization that somebody signs in to, and what it asks of them. */
export type OrganizationState =
  | { outcome: 'choose' }
  | { outcome: 'refused'; mayJoin: boolean }
  | {
      outcome: 'in';
      id: string;
      mfaRequired: boolean;
      /** First factors that are good enough; null for all. */
      methods: readonly SignInMethod[] | null;
      /** The session is from longer ago than it allows. */
      tooOld: boolean;
    };

/** What is asked of organizations when somebody signs in to one. */
export type OrganizationParts = {
  deps: Deps;
  /** Whether somebody may make themselves a member, by their verified address. */
  mayJoin: (db: Db, organizationId: string, user: User) => Promise<boolean>;
};

type Choice = Pick<LoginAttempt, 'organization_id' | 'organization_chooser'>;

/** The organization of a sign-in, as far as what comes next depends on it. */
export async function organizationState(
  { deps, mayJoin }: OrganizationParts,
  interaction: Interaction,
  attempt: Choice,
  user: User,
): Promise<OrganizationState | undefined> {
  const found = await resolveAsked(deps.db, interaction, attempt, user.id);
  if (found === undefined) return undefined;
  if (found.outcome === 'choose') return { outcome: 'choose' };
  if (found.outcome === 'refused') {
    const { reason, organization } = found;
    const joinable =
      reason === 'not_member' &&
      organization !== undefined &&
      (await mayJoin(deps.db, organization.id, user));
    return { outcome: 'refused', mayJoin: joinable };
  }
  const { id, mfaRequired, signInMethods: methods, sessionSeconds } = found.organization;
  const age = deps.now().getTime() / 1000 - (interaction.session?.at ?? 0);
  const tooOld = sessionSeconds !== null && age > sessionSeconds;
  return { outcome: 'in', id, mfaRequired, methods, tooOld };
}

/** The organization that a sign-in is for; undefined when it is for none. */
export async function resolveAsked(
  db: Db,
  { askedOrganization: asked }: Interaction,
  attempt: Choice,
  userId: string,
): Promise<ResolvedOrganization | undefined> {
  if (asked === undefined) return undefined;
  const chosen = (attempt.organization_chooser === userId && attempt.organization_id) || undefined;
  const found = await resolveOrganization(db, asked, userId, chosen);
  // Who chose one that they don't belong to by now chooses again.
  const again = asked === ANY_ORGANIZATION && chosen !== undefined && found.outcome === 'refused';
  return again ? resolveOrganization(db, asked, userId) : found;
}
