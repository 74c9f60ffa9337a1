import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import {
  type AddressResult,
  INVITATION_LIMITS,
  type InviteProblem,
  inviteToOrganization,
} from '../../organizations/invitations/invite.ts';
import { lockOrganizationFor } from '../../organizations/store.ts';
import { canonicalEmail, foldCase } from '../../users/identifiers.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { collect, wholeNumber } from '../terminal/paging.ts';
import { mailTools } from '../user/mail-tools.ts';
import { roleIdsOf } from './member.ts';
import { getActiveOrganization, ORGANIZATION } from './named-organization.ts';

/** Days that an invitation works unless told otherwise. */
const DAYS = 7;

/** `plinto org invite`: as the installation, which may give any role. */
export function inviteCommand(group: Command): void {
  group
    .command('invite')
    .description(
      'mail people links by which they become members; exits with 1 where not all are invited',
    )
    .argument('<organization>', ORGANIZATION)
    .argument('<address...>', 'email addresses; those with an account, too')
    .option('--role <key>', 'may be repeated; member unless given', collect)
    .option('--message <words>', 'what the mail says beside')
    .option(
      '--days <days>',
      'how long the links work',
      wholeNumber(1, INVITATION_LIMITS.days),
      DAYS,
    )
    .option('--app <client>', 'client id of the app they go on to')
    .option('--locale <tag>', 'language of mails to who has no account, such as en or de', 'en')
    .option('--json', 'print JSON')
    .action(onDatabase(invite));
}

type InviteOptions = {
  role?: string[];
  message?: string;
  days: number;
  app?: string;
  locale: string;
};

async function invite(
  session: Session,
  name: string,
  addresses: string[],
  options: InviteOptions,
): Promise<Answer> {
  const { db, runtime, origin } = session;
  const { id, slug } = await getActiveOrganization(db, name);
  const roleIds = await roleIdsOf(db, id, options.role ?? ['member']);
  const { mailer, issuer } = mailTools(session);
  const { randomBytes } = runtime.deps;
  const tools = { mailer, issuer, randomBytes, canonicalEmail, foldCase };
  const result = await transaction(db, async (trx) => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    if (organization === undefined) throw new Error('it was deleted just now');
    const who = { organization, inviter: 'installation' } as const;
    return inviteToOrganization(trx, tools, origin, who, {
      addresses,
      roleIds,
      message: options.message ?? '',
      days: options.days,
      clientId: options.app,
      locale: options.locale,
      from: '',
    });
  });
  if (!result.ok) throw new Error(PROBLEMS[result.reason]);
  // The others are invited: what programs go by is that not all are.
  if (!result.results.every(({ result: one }) => FINE.includes(one))) process.exitCode = 1;
  return {
    value: { organization: id, results: result.results },
    lines: result.results.map((one) => `${one.address}: ${explain(one, slug)}`),
  };
}

/** What leaves nobody out. */
const FINE: readonly AddressResult['result'][] = ['invited', 'resent', 'member', 'duplicate'];

function explain({ result, url }: AddressResult, slug: string): string {
  if (result !== 'invited' && result !== 'resent') return RESULTS[result](slug);
  const again = result === 'resent' ? ' again; the link before no longer works' : '';
  const how = url === undefined ? '' : `; mail is off, so pass this link on yourself: ${url}`;
  return `invited${again}${how}`;
}

const RESULTS: Record<
  Exclude<AddressResult['result'], 'invited' | 'resent'>,
  (slug: string) => string
> = {
  member: (slug) => `is a member of ${slug} already`,
  invalid: () => 'is not one plain email address',
  duplicate: () => 'is there twice',
  taken: () => 'is invited by somebody else',
  throttled: () => 'too many mails: try again later',
  full: (slug) => `${slug} has ${INVITATION_LIMITS.open} open invitations, which is the most`,
};

const PROBLEMS: Record<InviteProblem, string> = {
  addresses_missing: 'name at least one address',
  addresses_many: `at most ${INVITATION_LIMITS.addresses} addresses at once`,
  roles_missing: 'name at least one --role',
  role_refused: 'one of the roles was deleted just now: try again',
  message_long: `--message has at most ${INVITATION_LIMITS.message} characters`,
  days_invalid: `--days must be between 1 and ${INVITATION_LIMITS.days}`,
  client_unknown:
    'people can only go on to an app that is first-party and has a home page: see --first-party and --client-uri of `plinto client update`',
};
