import { type Command, InvalidArgumentError, Option } from 'commander';
import { transaction } from '../../db/pool.ts';
import type { Trx } from '../../deps.ts';
import type { CreateResult } from '../../organizations/create-organization.ts';
import { MAX_NAME } from '../../organizations/name.ts';
import {
  type PolicyProblem,
  SIGN_IN_METHODS,
  updatePolicies,
} from '../../organizations/policies/update-policies.ts';
import {
  lockOrganizationFor,
  type Organization,
  type SignInMethod,
} from '../../organizations/store.ts';
import { changeOrganizationProfile } from '../../organizations/update-organization.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { mailTools } from '../user/mail-tools.ts';
import { answer, getOrganization, ORGANIZATION } from './named-organization.ts';

/** Longest metadata, in characters of JSON. */
const MAX_METADATA = 16_384;

/** `plinto org update`. */
export function updateCommand(group: Command): void {
  group
    .command('update')
    .description('change what an organization is called, and what it asks of its members')
    .argument('<organization>', ORGANIZATION)
    .option('--name <name>', 'name that people are shown')
    .option('--slug <slug>', 'short name; the one before no longer works')
    .addOption(
      new Option(
        '--mfa <rule>',
        'whether everybody needs a second factor, whatever the installation asks',
      ).choices(['required', 'inherit']),
    )
    .option(
      '--session-hours <hours>',
      'after how long people sign in anew, or none for the installation’s own limit',
      sessionHours,
    )
    .option(
      '--methods <methods>',
      `what people may sign in with: ${SIGN_IN_METHODS.join(',')}, or any`,
      methods,
    )
    .option('--metadata <json>', 'an object, in place of the one before', metadata)
    .option('--json', 'print JSON')
    .action(onDatabase(update));
}

type UpdateOptions = {
  name?: string;
  slug?: string;
  mfa?: 'required' | 'inherit';
  sessionHours?: number | 'none';
  methods?: SignInMethod[] | 'any';
  metadata?: Record<string, unknown>;
};

async function update(session: Session, name: string, options: UpdateOptions): Promise<Answer> {
  const { db, origin } = session;
  const { json: _, ...asked } = options as UpdateOptions & { json?: boolean };
  if (Object.keys(asked).length === 0) {
    throw new Error('say what to change: see `plinto org update --help`');
  }
  const { id } = await getOrganization(db, name);
  const changed = await transaction(db, async (trx) => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    if (organization === undefined) throw new Error('it was deleted just now');
    const { metadata } = options;
    const slug = options.slug?.trim().toLowerCase();
    const result = await changeOrganizationProfile(trx, origin, organization, {
      name: options.name,
      slug,
      metadata,
    });
    if (!result.ok) throw new Error(explainProfile(result.reason));
    await changePolicies(session, trx, result.organization, options);
    return getOrganization(trx, id);
  });
  return answer(changed, `Changed the organization ${changed.slug}.`);
}

/** Why an organization can't be called so, or have this owner. */
export function explainProfile(
  reason: Extract<CreateResult, { ok: false }>['reason'],
  owner = '',
): string {
  switch (reason) {
    case 'name_missing':
      return `--name needs 1 to ${MAX_NAME} characters`;
    case 'slug_invalid':
      return 'a slug has 1 to 63 small letters a-z, digits and inner dashes, and some words are reserved: choose another with --slug';
    case 'slug_taken':
      return 'another organization has this slug: choose another with --slug';
    case 'owner_unknown':
      return `${owner} isn't active: \`plinto user activate\` them first`;
  }
}

async function changePolicies(
  session: Session,
  trx: Trx,
  organization: Organization,
  { mfa, sessionHours, methods }: UpdateOptions,
): Promise<void> {
  const wanted = {
    ...organization,
    ...(mfa === undefined ? {} : { mfa_required: mfa === 'required' }),
    ...(sessionHours === undefined
      ? {}
      : { session_seconds: sessionHours === 'none' ? null : Math.round(sessionHours * 3600) }),
    ...(methods === undefined ? {} : { sign_in_methods: methods === 'any' ? null : methods }),
  };
  const offers = offersOf(session);
  const result = await updatePolicies(trx, offers, session.origin, organization, wanted, undefined);
  if (!result.ok) throw new Error(POLICY_PROBLEMS[result.reason]);
}

/** What the installation lets people sign in with. */
function offersOf(session: Session) {
  const { mfa, emailSignIn } = session.config;
  const email: SignInMethod[] = emailSignIn && mailTools(session).mailer.enabled ? ['email'] : [];
  const passkey: SignInMethod[] = mfa.factors.includes('passkey') ? ['passkey'] : [];
  return {
    methods: ['password', ...email, ...passkey] as SignInMethod[],
    secondFactors: mfa.factors.length > 0,
  };
}

const POLICY_PROBLEMS: Record<PolicyProblem, string> = {
  session_invalid: '--session-hours must be between 5 minutes (0.084) and a year (8760)',
  method_not_offered: 'this installation lets nobody sign in with one of --methods',
  mfa_not_offered: 'this installation offers no second factors: set MFA_FACTORS first',
  join_needs_domain: 'no domain of the organization is proven',
  invite_not_yours: 'only who may invite lets others invite',
};

function sessionHours(text: string): number | 'none' {
  if (text === 'none') return text;
  if (!/^\d{1,4}(\.\d{1,3})?$/.test(text)) {
    throw new InvalidArgumentError('It must be a number of hours, or none.');
  }
  return Number(text);
}

function methods(text: string): SignInMethod[] | 'any' {
  if (text === 'any') return text;
  const named = text.split(',');
  const known = SIGN_IN_METHODS.filter((one) => named.includes(one));
  if (known.length < named.length) {
    throw new InvalidArgumentError(`It must be of ${SIGN_IN_METHODS.join(', ')}, or any.`);
  }
  return known;
}

function metadata(text: string): Record<string, unknown> {
  const value = text.length > MAX_METADATA ? undefined : parse(text);
  // PostgreSQL can't store the character in JSON.
  if (typeof value !== 'object' || value === null || Array.isArray(value) || /\\u0000/.test(text)) {
    throw new InvalidArgumentError(
      `It must be a JSON object of at most ${MAX_METADATA} characters.`,
    );
  }
  return value as Record<string, unknown>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
