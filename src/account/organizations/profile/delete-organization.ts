import { requestOrganizationDeletion } from '../../../organizations/deletion/request-deletion.ts';
import { findOrganization } from '../../../organizations/store.ts';
import { type Account, type AccountParts, seeOther } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationAction,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';
import { answerAgain, proofOf } from './again.ts';

const PATH = '/delete';
const NEEDS = 'organization:delete';
const DAY = { style: 'unit', unit: 'day', unitDisplay: 'long' } as const;

/** How an organization is ended: what goes, what stays, and until when it can be kept. */
export function deleteOrganizationPages(
  account: Account,
  pages: OrganizationPages,
  parts: AccountParts,
): void {
  const onward =
    parts.deletionGraceDays === 0
      ? '/organizations?done=organization_deleted'
      : '/organizations?done=organization_deletion';
  const remove: OrganizationAction = async (visit, form) => {
    const unknown = unknownField(form, ['confirmation', 'proof']);
    if (unknown !== undefined) return show(parts, visit, 'unknown_field', unknown);
    if (!isSlugOf(visit, form.confirmation)) return show(parts, visit, 'confirmation');
    const tools = { ...parts, locale: parts.renderer.localeOf(visit.ctx) };
    await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
      requestOrganizationDeletion(trx, tools, visit.origin, organization, parts.deletionGraceDays),
    );
    seeOther(visit.ctx, account.pathOf(onward));
    return undefined;
  };
  answerAgain(account, parts, {
    path: PATH,
    onward,
    isDone: async ({ organizationId }) =>
      (await findOrganization(parts.deps.db, organizationId))?.delete_after !== null,
  });
  pages.page(PATH, NEEDS, async (visit) => show(parts, visit), { fresh: true });
  pages.action(PATH, NEEDS, remove, { fresh: true, back: PATH });
}

/** Whether somebody typed what the organization is addressed by. */
export function isSlugOf({ organization }: OrganizationVisit, typed = ''): boolean {
  return typed.trim().toLowerCase() === organization.slug;
}

function show(
  { deletionGraceDays: days, ...parts }: AccountParts,
  visit: OrganizationVisit,
  error?: string,
  field?: string,
): undefined {
  const format = new Intl.NumberFormat(parts.renderer.localeOf(visit.ctx), DAY);
  const locals = {
    error,
    field,
    time: days === 0 ? undefined : format.format(days),
    proof: proofOf(parts, PATH, visit.organization.id, visit),
  };
  visit.show('organization-delete', locals, error === undefined ? 200 : 422);
  return undefined;
}
