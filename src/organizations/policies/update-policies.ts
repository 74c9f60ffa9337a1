import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { mayLetJoin } from '../domains/join.ts';
import { hasProvenDomain } from '../domains/store.ts';
import { type Held, holds } from '../permissions.ts';
import { type Organization, type SignInMethod, updateOrganization } from '../store.ts';

/** What an organization asks of its members, and how others become some. */
export type Policies = Pick<
  Organization,
  'mfa_required' | 'sign_in_methods' | 'session_seconds' | 'members_may_invite' | 'join_by_domain'
>;

/** What the installation lets people sign in with. */
export type SignInOffers = { methods: readonly SignInMethod[]; secondFactors: boolean };

/** In the order in which they are stored and shown. */
export const SIGN_IN_METHODS: readonly SignInMethod[] = ['password', 'email', 'passkey'];

/** Limits of a session's length, in seconds. */
const SESSION_SECONDS = { min: 300, max: 31_536_000 };

export type PolicyProblem =
  | 'session_invalid'
  /** Nobody can sign in so here. */
  | 'method_not_offered'
  | 'mfa_not_offered'
  /** No domain is proven. */
  | 'join_needs_domain'
  /** Nobody lets others in as members, or lets them invite, who may not invite them themselves. */
  | 'invite_not_yours';

export type PoliciesResult = { ok: true } | { ok: false; reason: PolicyProblem };

/**
 * Changes the rules of an organization, which the caller holds. Nothing ends by it: they are looked at
 * when somebody signs in and when a token is renewed.
 *
 * @param by what the one who changes it holds; undefined for the installation's own command line.
 */
export async function updatePolicies(
  trx: Trx,
  offers: SignInOffers,
  origin: Origin,
  organization: Organization,
  wanted: Policies,
  by: Held | undefined,
): Promise<PoliciesResult> {
  const methods = SIGN_IN_METHODS.filter((one) => wanted.sign_in_methods?.includes(one));
  const next: Policies = { ...wanted, sign_in_methods: methods.length > 0 ? methods : null };
  const fields = POLICIES.filter((name) => !same(organization[name], next[name]));
  const change: Partial<Policies> = Object.fromEntries(fields.map((name) => [name, next[name]]));
  const reason = await findProblem(trx, offers, organization, change, by);
  if (reason !== undefined) return { ok: false, reason };
  if (fields.length > 0) {
    const { id: organizationId } = organization;
    await updateOrganization(trx, organizationId, change);
    const data = { fields };
    await record(trx, origin, { type: 'organization.policies_updated', organizationId, data });
  }
  return { ok: true };
}

const POLICIES = [
  'mfa_required',
  'sign_in_methods',
  'session_seconds',
  'members_may_invite',
  'join_by_domain',
] as const satisfies readonly (keyof Policies)[];

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Only of what changes: a rule that could be made once may stay. */
async function findProblem(
  trx: Trx,
  { methods, secondFactors }: SignInOffers,
  { id, sign_in_methods: before }: Organization,
  change: Partial<Policies>,
  by: Held | undefined,
): Promise<PolicyProblem | undefined> {
  const { session_seconds: seconds, sign_in_methods: chosen } = change;
  if (seconds && !(seconds >= SESSION_SECONDS.min && seconds <= SESSION_SECONDS.max)) {
    return 'session_invalid';
  }
  if (chosen?.some((one) => !methods.includes(one) && !before?.includes(one))) {
    return 'method_not_offered';
  }
  if (change.mfa_required && !secondFactors) return 'mfa_not_offered';
  if (by !== undefined) {
    const invites = !change.members_may_invite || holds(by, 'members:invite');
    const opens = !change.join_by_domain || (await mayLetJoin(trx, id, by));
    if (!invites || !opens) return 'invite_not_yours';
  }
  return change.join_by_domain && !(await hasProvenDomain(trx, id))
    ? 'join_needs_domain'
    : undefined;
}
