import { validate as isUuid } from 'uuid';
import { transaction } from '../../../db/pool.ts';
import { AppError } from '../../../errors.ts';
import { joinByDomain } from '../../../organizations/domains/join.ts';
import { findOrganization } from '../../../organizations/store.ts';
import type { Account, AccountParts } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';

/**
 * /account/organizations/join: makes a person a member of an organization whose proven domain their
 * verified address is at. To who may not, there is no such organization.
 */
export function joinPages(account: Account, { deps }: AccountParts): void {
  const options = { back: '/organizations' };
  account.action('/organizations/join', options, async ({ user, origin }, form) => {
    const { organization: id = '' } = form;
    if (!isUuid(id) || unknownField(form, ['organization']) !== undefined) {
      throw new AppError('not_found');
    }
    const joined = await transaction(deps.db, async (trx) =>
      (await joinByDomain(trx, origin, id, user)) ? findOrganization(trx, id) : undefined,
    );
    if (joined === undefined) throw new AppError('not_found');
    return `/organizations/${joined.slug}?done=organization_joined`;
  });
}
