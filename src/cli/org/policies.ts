import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Trx } from '../../deps.ts';
import {
  type PolicyProblem,
  SIGN_IN_METHODS,
  updatePolicies,
} from '../../organizations/policies/update-policies.ts';
import type { Organization, SignInMethod } from '../../organizations/store.ts';
import type { Session } from '../session.ts';
import { mailTools } from '../user/mail-tools.ts';

export type PolicyOptions = {
  mfa?: 'required' | 'inherit';
  sessionHours?: number | 'none';
  methods?: SignInMethod[] | 'any';
  membersMayInvite?: 'yes' | 'no';
  joinByDomain?: 'yes' | 'no';
};

/** Options of a command that changes what an organization asks of its members. */
export function policyOptions(command: Command): Command {
  return command
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
    .addOption(
      new Option('--members-may-invite <answer>', 'whether every member may invite').choices([
        'yes',
        'no',
      ]),
    )
    .addOption(
      new Option(
        '--join-by-domain <answer>',
        'whether people join by a verified address at a proven domain',
      ).choices(['yes', 'no']),
    );
}

/** Changes what the options name of the rules of an organization, which is held. @throws Error why not. */
export async function changePolicies(
  session: Session,
  trx: Trx,
  organization: Organization,
  { mfa, sessionHours, methods, membersMayInvite, joinByDomain }: PolicyOptions,
): Promise<void> {
  const wanted = {
    ...organization,
    ...(mfa && { mfa_required: mfa === 'required' }),
    ...(sessionHours !== undefined && {
      session_seconds: sessionHours === 'none' ? null : Math.round(sessionHours * 3600),
    }),
    ...(methods && { sign_in_methods: methods === 'any' ? null : methods }),
    ...(membersMayInvite && { members_may_invite: membersMayInvite === 'yes' }),
    ...(joinByDomain && { join_by_domain: joinByDomain === 'yes' }),
  };
  const offers = offersOf(session);
  const result = await updatePolicies(trx, offers, session.origin, organization, wanted, undefined);
  if (!result.ok) throw new Error(PROBLEMS[result.reason]);
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

const PROBLEMS: Record<PolicyProblem, string> = {
  session_invalid: '--session-hours must be between 5 minutes (0.084) and a year (8760)',
  method_not_offered: 'this installation lets nobody sign in with one of --methods',
  mfa_not_offered: 'this installation offers no second factors: set MFA_FACTORS first',
  join_needs_domain: 'no domain of the organization is proven: `plinto org domain add` one first',
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
