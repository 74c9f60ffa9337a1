import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import { revokeInvitation } from '../../organizations/invitations/change-invitation.ts';
import {
  type ListedInvitation,
  listPendingInvitations,
} from '../../organizations/invitations/list-sql.ts';
import { findPendingFor } from '../../organizations/invitations/store.ts';
import { lockOrganizationFor } from '../../organizations/store.ts';
import { canonicalEmail } from '../../users/identifiers.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { checkAfterId, listAnswer, type Page, pageOf, pagingOptions } from '../terminal/paging.ts';
import { getOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org invitation …`: those that nobody has accepted; `plinto org invite` sends one again. */
export function invitationCommands(group: Command): void {
  pagingOptions(group.command('list'))
    .description('list invitations that nobody has accepted, and who asks to, the newest first')
    .argument('<organization>', ORGANIZATION)
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('revoke')
    .description('take an invitation back: its link no longer works')
    .argument('<organization>', ORGANIZATION)
    .argument('<address>', 'whom it is for')
    .option('--json', 'print JSON')
    .action(onDatabase(revoke));
}

async function list({ db }: Session, name: string, options: Page): Promise<Answer> {
  const { id } = await getOrganization(db, name);
  checkAfterId(options);
  const page = await pageOf(
    options,
    ({ after, limit }) => listPendingInvitations(db, id, { before: after, limit }),
    (invitation) => invitation.id,
  );
  const columns = ['email', 'state', 'roles', 'inviter', 'requester', 'expires_at'];
  return listAnswer({ ...page, items: page.items.map(describe) }, columns, 'Nobody is invited.');
}

async function revoke({ db, origin }: Session, name: string, address: string): Promise<Answer> {
  const { id, slug } = await getOrganization(db, name);
  const email = canonicalEmail(address);
  const revoked = await transaction(db, async (trx) => {
    if ((await lockOrganizationFor(trx, id, undefined)) === undefined) return undefined;
    const [invitation] = email === undefined ? [] : await findPendingFor(trx, id, [email]);
    if (invitation !== undefined) await revokeInvitation(trx, origin, invitation);
    return invitation;
  });
  if (revoked === undefined) {
    throw new Error(
      `${slug} has no open invitation for ${address}: \`plinto org invitation list\` shows those it has`,
    );
  }
  return {
    value: { id: revoked.id, email: revoked.email, organization: id, revoked: true },
    lines: [`The invitation of ${revoked.email} to ${slug} no longer works.`],
  };
}

function describe(invitation: ListedInvitation) {
  const { id, email, expired, roles, inviter, requester } = invitation;
  return {
    id,
    email,
    state: expired ? 'expired' : 'open',
    roles: roles.map(({ key }) => key),
    inviter: inviter?.email ?? inviter?.name ?? null,
    requester: requester?.email ?? requester?.name ?? null,
    app: invitation.client_id,
    sent_at: invitation.sent_at,
    expires_at: invitation.expires_at,
  };
}
