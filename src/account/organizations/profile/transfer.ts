import { AppError } from '../../../errors.ts';
import { wasTransferred } from '../../../organizations/ownership/store.ts';
import { transferOwnership } from '../../../organizations/ownership/transfer-ownership.ts';
import { canonicalIdentifier, MAX_IDENTIFIER } from '../../../users/identifiers.ts';
import { findUserByIdentifier } from '../../../users/store.ts';
import { type Account, type AccountParts, seeOther } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationAction,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';
import { answerAgain, proofOf } from './again.ts';
import { isSlugOf } from './delete-organization.ts';

const PATH = '/transfer';
const ONWARD = '/organizations?done=organization_transferred';

/** How an owner hands an organization over to another member. */
export function transferPages(
  account: Account,
  pages: OrganizationPages,
  parts: AccountParts,
): void {
  const { db } = parts.deps;
  const findNamed = async (typed = '') =>
    typed.length > MAX_IDENTIFIER
      ? undefined
      : findUserByIdentifier(db, canonicalIdentifier(typed.trim()));
  const transfer: OrganizationAction = async (visit, form) => {
    admitOwner(visit);
    const unknown = unknownField(form, ['member', 'confirmation', 'proof']);
    if (unknown !== undefined) return show(parts, visit, form, 'unknown_field', unknown);
    if (!isSlugOf(visit, form.confirmation)) return show(parts, visit, form, 'confirmation');
    const member = await findNamed(form.member);
    if (member === undefined) return show(parts, visit, form, 'member_unknown');
    const tools = { ...parts, locale: parts.renderer.localeOf(visit.ctx) };
    const result = await changeOrganization(parts, visit, undefined, (trx, organization) =>
      transferOwnership(trx, tools, visit.origin, organization, {
        from: visit.user.id,
        to: member.id,
      }),
    );
    if (!result.ok) {
      if (result.reason === 'not_owner') throw new AppError('forbidden');
      return show(parts, visit, form, result.reason);
    }
    seeOther(visit.ctx, account.pathOf(ONWARD));
    return undefined;
  };
  answerAgain(account, parts, {
    path: PATH,
    onward: ONWARD,
    isDone: async ({ organizationId, userId, form }) => {
      const member = await findNamed(form.member);
      if (member === undefined) return false;
      return wasTransferred(db, organizationId, { from: userId, to: member.id });
    },
  });
  const needsOwner = async (visit: OrganizationVisit) => {
    admitOwner(visit);
    show(parts, visit, {});
  };
  pages.page(PATH, undefined, needsOwner, { fresh: true });
  pages.action(PATH, undefined, transfer, { fresh: true, back: PATH });
}

/** A role can give whatever an owner may do; but who owns an organization, only owners say. */
function admitOwner({ organization }: OrganizationVisit): void {
  if (!organization.context.owner) throw new AppError('forbidden');
}

function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Record<string, string>,
  error?: string,
  field?: string,
): undefined {
  const locals = {
    error,
    field,
    member: (form.member ?? '').slice(0, MAX_IDENTIFIER),
    proof: proofOf(parts, PATH, visit.organization.id, visit),
  };
  visit.show('organization-transfer', locals, error === undefined ? 200 : 422);
  return undefined;
}
