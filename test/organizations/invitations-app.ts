import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import {
  type AddressResult,
  type Invitations,
  inviteToOrganization,
} from '../../src/organizations/invitations/invite.ts';
import type { Inviter } from '../../src/organizations/invitations/inviter.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { lockOrganizationFor } from '../../src/organizations/store.ts';
import { canonicalEmail, foldCase } from '../../src/users/identifiers.ts';
import type { TestApp } from '../support/app.ts';

export type Invited = AddressResult & { id: string; url: string };

/**
 * Invites somebody as the action does it, where no mail is sent; the link counts as mailed unless it
 * is said to have been shown.
 */
export async function invite(
  app: TestApp,
  organizationId: string,
  inviter: Inviter,
  address: string,
  { shown = false, ...input }: Partial<Invitations> & { shown?: boolean } = {},
): Promise<Invited> {
  const { deps, keyring } = app.runtime;
  const mailer = createMailer({ enabled: false, boxKeys: keyring.box });
  const tools = {
    mailer,
    issuer: app.issuer,
    randomBytes: deps.randomBytes,
    canonicalEmail,
    foldCase,
  };
  return transaction(deps.db, async (trx) => {
    const member = inviter === 'installation' ? undefined : inviter.userId;
    const organization = await lockOrganizationFor(trx, organizationId, member);
    if (organization === undefined) throw new Error('no organization');
    const invited = await inviteToOrganization(
      trx,
      tools,
      SYSTEM,
      { organization, inviter },
      {
        addresses: [address],
        roleIds: [BUILTIN_ROLES.member],
        message: '',
        days: 7,
        clientId: undefined,
        locale: 'en',
        from: 'Ada Lovelace',
        ...input,
      },
    );
    if (!invited.ok) throw new Error(invited.reason);
    const [result] = invited.results;
    if (result?.url === undefined) throw new Error(result?.result);
    const found = { organization_id: organizationId, email: result.address };
    const [row] = await trx('invitations')
      .where({ ...found, status: 'pending' })
      .update({ mailed: !shown })
      .returning('id');
    return { ...result, id: row.id, url: result.url };
  });
}
