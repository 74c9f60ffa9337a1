import { validate as isUuid, v7 as uuid } from 'uuid';
import { transaction } from '../../../db/pool.ts';
import { AppError } from '../../../errors.ts';
import { createOwnOrganization } from '../../../organizations/create-own-organization.ts';
import { MAX_NAME } from '../../../organizations/name.ts';
import { MAX_SLUG, slugOf } from '../../../organizations/slug.ts';
import type { Account, AccountParts, Visit } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import { mayCreate } from './list.ts';

const PATH = '/organizations/new';

type Problem = { key: string; field?: string; retryAfter?: number };

/** How somebody makes an organization, which they own then. */
export function newOrganizationPages(account: Account, parts: AccountParts): void {
  account.page(PATH, {}, async (visit) => {
    admitCreator(parts, visit);
    show(parts, visit, { organization: uuid() });
  });
  account.action(PATH, {}, async (visit, form) => {
    admitCreator(parts, visit);
    const unknown = unknownField(form, ['name', 'slug', 'organization', 'proof']);
    const { organization: id = '', name = '', proof } = form;
    if (!isUuid(id)) throw new AppError('csrf');
    parts.csrf.check(visit.ctx, bindingOf(visit, id), proof);
    if (unknown !== undefined)
      return show(parts, visit, form, { key: 'unknown_field', field: unknown });
    const typed = (form.slug ?? '').trim().toLowerCase();
    const slug = typed === '' ? slugOf(name) : typed;
    const made = await transaction(parts.deps.db, (trx) =>
      createOwnOrganization(trx, visit.origin, { id, name, slug, ownerId: visit.user.id }),
    );
    if (made.ok) return `/organizations/${made.organization.slug}?done=organization_created`;
    if (made.reason === 'gone') throw new AppError('csrf');
    const key = made.reason === 'slug_invalid' && slug === '' ? 'slug_missing' : made.reason;
    const retryAfter = 'retryAfter' in made ? made.retryAfter : undefined;
    return show(parts, visit, { ...form, slug }, { key, ...(retryAfter && { retryAfter }) });
  });
}

function admitCreator(parts: AccountParts, { user }: Visit): void {
  if (!mayCreate(parts, user)) throw new AppError('forbidden');
}

/**
 * The form names the organization that it makes: sent ten times, it makes one. Only forms that were
 * shown to the same person are taken, so that nobody names another's.
 */
function bindingOf({ user }: Visit, id: string): string {
  return `new organization ${id} ${user.id}`;
}

function show(
  parts: AccountParts,
  visit: Visit,
  form: Record<string, string>,
  error?: Problem,
): undefined {
  const { organization = '', name = '', slug = '' } = form;
  const locals = {
    error,
    organization,
    proof: parts.csrf.token(bindingOf(visit, organization)),
    // Of names and slugs that are far too long, the beginning.
    name: name.slice(0, 2 * MAX_NAME),
    slug: slug.slice(0, 2 * MAX_SLUG),
    maxName: MAX_NAME,
    maxSlug: MAX_SLUG,
  };
  visit.show('account-organization-new', locals, error === undefined ? 200 : 422);
  return undefined;
}
