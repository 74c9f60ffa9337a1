import { unmetRule, usableFactors } from '../../../mfa/policy.ts';
import { hasProvenDomain } from '../../../organizations/domains/store.ts';
import {
  type Policies,
  type PolicyProblem,
  SIGN_IN_METHODS,
  type SignInOffers,
  updatePolicies,
} from '../../../organizations/policies/update-policies.ts';
import type { AccountParts } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';

type Form = Record<string, string>;

type Problem = {
  key: PolicyProblem | 'own_method' | 'own_second_factor' | 'no_second_factor' | 'unknown_field';
  field?: string;
};

const NEEDS = 'policies:manage';
const HOUR = 3600;
/** Hours. */
const LONGEST = 8760;

/** /policies: how members sign in to an organization, and how others become some. */
export function policyPages(pages: OrganizationPages, parts: AccountParts): void {
  pages.page('/policies', NEEDS, (visit) => show(parts, visit, formOf(visit.organization)));
  pages.action('/policies', NEEDS, (visit, form) => update(parts, visit, form), { fresh: true });
}

async function update(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
): Promise<string | undefined> {
  const problem = await tryUpdate(parts, visit, form);
  if (problem === undefined) return '/policies?done=organization_policies';
  await show(parts, visit, form, problem);
  return undefined;
}

async function tryUpdate(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
): Promise<Problem | undefined> {
  const field = unknownField(form, FIELDS);
  if (field !== undefined) return { key: 'unknown_field', field };
  const wanted = readForm(visit.organization, form);
  if (wanted === undefined) return { key: 'session_invalid' };
  const locksOut = ownProblem(parts, visit, wanted);
  if (locksOut !== undefined) return { key: locksOut };
  const outcome = await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
    updatePolicies(trx, offersOf(parts), visit.origin, organization, wanted, organization.context),
  );
  return outcome.ok ? undefined : { key: outcome.reason };
}

/**
 * What of the new rules the one who makes them doesn't meet: they would be locked out, and everybody
 * with them whom they could ask.
 */
function ownProblem(
  { mfa }: AccountParts,
  { session, user }: OrganizationVisit,
  wanted: Policies,
): 'own_method' | 'own_second_factor' | 'no_second_factor' | undefined {
  const rules = {
    mfaRequired: wanted.mfa_required,
    signInMethods: wanted.sign_in_methods,
    sessionSeconds: null,
  };
  const signIn = { acr: session.acr, amr: session.amr, at: session.signedInAt };
  const unmet = unmetRule(rules, signIn, session.signedInAt);
  if (unmet === 'method') return 'own_method';
  if (unmet === undefined) return undefined;
  // Where there are none to turn on, that is the trouble.
  if (mfa.factors.length === 0) return undefined;
  return usableFactors(mfa, user).length > 0 ? 'own_second_factor' : 'no_second_factor';
}

function offersOf({ mfa, emailSignIn, mailer }: AccountParts): SignInOffers {
  const passkey = mfa.factors.includes('passkey');
  const offered = { password: true, email: emailSignIn && mailer.enabled, passkey };
  return {
    methods: SIGN_IN_METHODS.filter((method) => offered[method]),
    secondFactors: mfa.factors.length > 0,
  };
}

const FIELDS = [
  'mfa_required',
  ...SIGN_IN_METHODS.map((method) => `method_${method}`),
  'session_hours',
  'members_may_invite',
  'join_by_domain',
];

/** The rules as a form has them, with what is ticked as `yes`. */
function formOf(policies: Policies): Form {
  const ticked = {
    mfa_required: policies.mfa_required,
    members_may_invite: policies.members_may_invite,
    join_by_domain: policies.join_by_domain,
    ...Object.fromEntries(
      (policies.sign_in_methods ?? []).map((method) => [`method_${method}`, true]),
    ),
  };
  const { session_seconds: seconds } = policies;
  return {
    ...Object.fromEntries(Object.entries(ticked).map(([name, on]) => [name, on ? 'yes' : ''])),
    session_hours: seconds === null ? '' : String(Math.round((seconds / HOUR) * 100) / 100),
  };
}

/** The rules that a form asks for; undefined when its number is none. */
function readForm(before: Policies, form: Form): Policies | undefined {
  const hours = (form.session_hours ?? '').trim();
  // Those set elsewhere may be no whole hours: left alone, they stay as they are.
  const kept = hours === formOf(before).session_hours;
  const valid = /^\d{1,4}$/.test(hours) && Number(hours) >= 1 && Number(hours) <= LONGEST;
  if (!kept && hours !== '' && !valid) return undefined;
  const methods = SIGN_IN_METHODS.filter((method) => form[`method_${method}`] === 'yes');
  return {
    mfa_required: form.mfa_required === 'yes',
    sign_in_methods: methods.length > 0 ? methods : null,
    session_seconds: kept ? before.session_seconds : hours === '' ? null : Number(hours) * HOUR,
    members_may_invite: form.members_may_invite === 'yes',
    join_by_domain: form.join_by_domain === 'yes',
  };
}

async function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
  problem?: Problem,
): Promise<void> {
  const { organization } = visit;
  const { methods, secondFactors } = offersOf(parts);
  const chosen = organization.sign_in_methods ?? [];
  const proven = await hasProvenDomain(parts.deps.db, organization.id);
  visit.show(
    'organization-policies',
    {
      form,
      error: problem,
      proven,
      secondFactors: secondFactors || organization.mfa_required,
      methods: SIGN_IN_METHODS.filter((one) => methods.includes(one) || chosen.includes(one)),
      domainsPage: visit.can('domains:manage'),
    },
    problem === undefined ? 200 : 422,
  );
}
