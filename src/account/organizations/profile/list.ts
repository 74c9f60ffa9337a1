import { validate as isUuid } from 'uuid';
import { transaction } from '../../../db/pool.ts';
import { AppError } from '../../../errors.ts';
import { restoreOrganization } from '../../../organizations/deletion/request-deletion.ts';
import { isOwner, listDeletedOrganizationsOf } from '../../../organizations/ownership/store.ts';
import { listOrganizationsOf, lockOrganizationFor } from '../../../organizations/store.ts';
import type { User } from '../../../users/store.ts';
import type { Account, AccountParts, Visit } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';

/** What else the list of a person's organizations shows. */
export type Openings = {
  /** Open invitations to an address that is proven to be theirs, each with its page below /account. */
  invitations: (user: User) => Promise<readonly { name: string; path: string }[]>;
  /** Those that they may join by the domain of such an address. */
  joinable: (user: User) => Promise<readonly { id: string; name: string }[]>;
};

/** Somebody's organizations, from one to the other, and the way to more. */
export function organizationListPages(
  account: Account,
  parts: AccountParts,
  openings: Openings,
): void {
  const { db } = parts.deps;
  account.page('/organizations', {}, async (visit) => {
    const { user } = visit;
    const day = dayFormat(parts, visit);
    const [organizations, deleted, invitations, joinable] = await Promise.all([
      listOrganizationsOf(db, user.id),
      listDeletedOrganizationsOf(db, user.id),
      openings.invitations(user),
      openings.joinable(user),
    ]);
    visit.show('account-organizations', {
      organizations,
      deleted: deleted.map((one) => ({ ...one, at: day(one.delete_after) })),
      invitations,
      joinable,
      mayCreate: mayCreate(parts, user),
    });
  });
  account.action('/organizations', {}, async (visit, form) => {
    const unknown = unknownField(form, ['organization']);
    const { organization: id = '' } = form;
    if (unknown !== undefined || !isUuid(id)) throw new AppError('not_found');
    await transaction(db, async (trx) => {
      const found = await lockOrganizationFor(trx, id, visit.user.id);
      if (found === undefined || !(await isOwner(trx, id, visit.user.id))) {
        throw new AppError('not_found');
      }
      const tools = { ...parts, locale: parts.renderer.localeOf(visit.ctx) };
      await restoreOrganization(trx, tools, visit.origin, found);
    });
    return '/organizations?done=organization_kept';
  });
}

/** Whether somebody may make organizations. */
export function mayCreate(
  { organizationCreation }: Pick<AccountParts, 'organizationCreation'>,
  user: User,
): boolean {
  return organizationCreation === 'everyone' || user.administrator;
}

/** Says days in the visitor's language. */
export function dayFormat(
  { renderer }: AccountParts,
  { ctx }: Pick<Visit, 'ctx'>,
): (moment: Date) => string {
  const format = new Intl.DateTimeFormat(renderer.localeOf(ctx), {
    dateStyle: 'long',
    timeZone: 'UTC',
  });
  return (moment) => format.format(moment);
}
