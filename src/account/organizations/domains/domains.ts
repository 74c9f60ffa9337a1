import { validate as isUuid } from 'uuid';
import { transaction } from '../../../db/pool.ts';
import { AppError } from '../../../errors.ts';
import { addDomain } from '../../../organizations/domains/add-domain.ts';
import { findRecord } from '../../../organizations/domains/find-record.ts';
import { mayLetJoin } from '../../../organizations/domains/join.ts';
import { recordName, recordValue, writtenDomain } from '../../../organizations/domains/name.ts';
import { GRACE_DAYS } from '../../../organizations/domains/recheck-domains.ts';
import { removeDomain } from '../../../organizations/domains/remove-domain.ts';
import { type Domain, findDomain, listDomains } from '../../../organizations/domains/store.ts';
import { reserveLookup, verifyDomain } from '../../../organizations/domains/verify-domain.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { AccountParts } from '../../account.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';

/** What is wrong, and of which domain: of the one to be added, where it names none. */
type Problem = {
  key: string;
  domain?: string;
  field?: string | undefined;
  retryAfter?: number;
  typed?: string;
};

type Form = Record<string, string>;

const NEEDS = 'domains:manage';
const DAY_MS = 86_400_000;

/** An organization's domains, below /domains: the list, another one, /verify and /remove. */
export function domainPages(pages: OrganizationPages, parts: AccountParts): void {
  const options = { back: '/domains' };
  pages.page('/domains', NEEDS, (visit) => show(parts, visit));
  pages.action('/domains', NEEDS, (visit, form) => add(parts, visit, form));
  pages.action('/domains/verify', NEEDS, (visit, form) => verify(parts, visit, form), options);
  pages.action('/domains/remove', NEEDS, (visit, form) => remove(parts, visit, form), options);
}

async function add(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
): Promise<string | undefined> {
  const { domain: typed = '' } = form;
  const field = unknownField(form, ['domain']);
  if (field !== undefined) return refuse(parts, visit, { key: 'unknown_field', field, typed });
  const added = await changeOrganization(parts, visit, NEEDS, (trx, { id }) =>
    addDomain(trx, parts.deps, visit.origin, id, typed),
  );
  if (added.ok) return '/domains?done=domain_added';
  return refuse(parts, visit, { key: added.reason, typed });
}

async function verify(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
): Promise<string | undefined> {
  const { deps } = parts;
  const { organization, origin } = visit;
  const domain = await ownDomain(parts, visit, form);
  if (domain === undefined) throw new AppError('not_found');
  if (domain.verified_at === null || domain.missing_since !== null) {
    const reserved = await transaction(deps.db, (trx) => reserveLookup(trx, organization.id));
    if (!reserved.ok) {
      const { retryAfter } = reserved;
      return refuse(parts, visit, { key: 'throttled', domain: domain.id, retryAfter });
    }
    const state = await findRecord(deps, domain);
    const verified = await changeOrganization(parts, visit, NEEDS, async (trx, held) => {
      const opens = domain.verified_at === null && held.join_by_domain;
      if (opens && !(await mayLetJoin(trx, held.id, held.context))) {
        return { ok: false, reason: 'invite_not_yours' } as const;
      }
      return verifyDomain(trx, origin, domain, state);
    });
    if (!verified.ok && verified.reason === 'gone') throw new AppError('not_found');
    if (!verified.ok) return refuse(parts, visit, { key: verified.reason, domain: domain.id });
  }
  return '/domains?done=domain_verified';
}

async function remove(
  parts: AccountParts,
  visit: OrganizationVisit,
  form: Form,
): Promise<string | undefined> {
  const domainId = idIn(form);
  const removed = await changeOrganization(parts, visit, NEEDS, (trx, { id }) =>
    removeDomain(trx, visit.origin, id, domainId),
  );
  if (!removed) throw new AppError('not_found');
  return '/domains?done=domain_removed';
}

function idIn(form: Form): string {
  const { domain = '' } = form;
  if (!isUuid(domain) || unknownField(form, ['domain']) !== undefined) {
    throw new AppError('not_found');
  }
  return domain;
}

async function ownDomain(
  { deps }: AccountParts,
  { organization }: OrganizationVisit,
  form: Form,
): Promise<Domain | undefined> {
  return findDomain(deps.db, organization.id, idIn(form));
}

async function refuse(
  parts: AccountParts,
  visit: OrganizationVisit,
  problem: Problem,
): Promise<undefined> {
  await show(parts, visit, problem);
  return undefined;
}

async function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  problem?: Problem,
): Promise<void> {
  const say = momentFormat(parts.renderer.localeOf(visit.ctx), visit.user);
  const domains = await listDomains(parts.deps.db, visit.organization.id);
  visit.show(
    'organization-domains',
    { domains: domains.map((domain) => describe(domain, say)), error: problem },
    problem === undefined ? 200 : 422,
  );
}

function describe(domain: Domain, say: (moment: Date) => string) {
  const { id, name, verified_at, checked_at, missing_since } = domain;
  const state = verified_at === null ? 'pending' : missing_since === null ? 'proven' : 'missing';
  return {
    id,
    name,
    written: writtenDomain(name),
    state,
    verified: verified_at && say(verified_at),
    checked: checked_at && say(checked_at),
    missing: missing_since && say(missing_since),
    lost: missing_since && say(new Date(missing_since.getTime() + GRACE_DAYS * DAY_MS)),
    record: { name: recordName(name), value: recordValue(domain.token) },
  };
}
