import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import { type AddResult, addDomain } from '../../organizations/domains/add-domain.ts';
import { findRecord } from '../../organizations/domains/find-record.ts';
import { canonicalDomain, recordName, recordValue } from '../../organizations/domains/name.ts';
import { removeDomain } from '../../organizations/domains/remove-domain.ts';
import { type Domain, findDomainByName, listDomains } from '../../organizations/domains/store.ts';
import { type VerifyResult, verifyDomain } from '../../organizations/domains/verify-domain.ts';
import { lockOrganizationFor, type Organization } from '../../organizations/store.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { table } from '../terminal/table.ts';
import { getActiveOrganization, getOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org domain …`. */
export function domainCommands(group: Command): void {
  const command = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .argument('<organization>', ORGANIZATION)
      .option('--json', 'print JSON');
  command('list', 'list domains, and the DNS records that prove them').action(onDatabase(list));
  command('add', 'note a domain that the organization is going to prove')
    .argument('<domain>', 'such as example.com')
    .action(onDatabase(add));
  command('verify', 'look for the DNS record that proves a domain')
    .argument('<domain>', 'as it was added')
    .action(onDatabase(verify));
  command('remove', 'take a domain away; who joined by it stays')
    .argument('<domain>', 'as it was added')
    .action(onDatabase(remove));
}

async function list({ db }: Session, name: string): Promise<Answer> {
  const { id } = await getOrganization(db, name);
  const items = (await listDomains(db, id)).map(describe);
  if (items.length === 0) return { value: { items }, lines: ['The organization has no domains.'] };
  const rows = items.map(({ name, state, record }) => [name, state, record.name, record.value]);
  return { value: { items }, lines: table(['domain', 'state', 'record', 'value'], rows) };
}

async function add(session: Session, name: string, written: string): Promise<Answer> {
  const { db, runtime, origin } = session;
  const { id, slug } = await getActiveOrganization(db, name);
  const result = await changing(db, id, (trx) => addDomain(trx, runtime.deps, origin, id, written));
  if (!result.ok) throw new Error(`${written} ${ADD_PROBLEMS[result.reason]}`);
  const value = describe(result.domain);
  const { record } = value;
  const lines = [
    `Add a TXT record to DNS, then \`plinto org domain verify ${slug} ${value.name}\`:`,
    ...table(['name', 'value'], [[record.name, record.value]]),
  ];
  return { value, lines };
}

const ADD_PROBLEMS: Record<Extract<AddResult, { ok: false }>['reason'], string> = {
  invalid: 'is no domain: write it such as example.com',
  consumer: 'belongs to everybody who has an address there, and can be nobody’s',
  too_many: 'is one too many: the organization has 20 domains, remove one first',
};

async function verify(session: Session, name: string, written: string): Promise<Answer> {
  const { db, runtime, origin } = session;
  const { id, slug } = await getActiveOrganization(db, name);
  const domain = await getDomain(db, { id, slug }, written);
  const state = await findRecord(runtime.deps, domain);
  const result = await changing(db, id, (trx) => verifyDomain(trx, origin, domain, state));
  if (!result.ok) throw new Error(explain(result.reason, domain));
  const value = describe(await getDomain(db, { id, slug }, written));
  return { value, lines: [`${domain.name} is proven to be ${slug}'s.`] };
}

async function remove({ db, origin }: Session, name: string, written: string): Promise<Answer> {
  const { id, slug } = await getOrganization(db, name);
  const domain = await getDomain(db, { id, slug }, written);
  await changing(db, id, (trx) => removeDomain(trx, origin, id, domain.id));
  return {
    value: { name: domain.name, organization: id, removed: true },
    lines: [`${domain.name} is no longer ${slug}'s.`],
  };
}

/** A change of an organization, which is held meanwhile. */
async function changing<T>(db: Db, id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
  return transaction(db, async (trx) => {
    if (await lockOrganizationFor(trx, id, undefined)) return work(trx);
    throw new Error('it was deleted just now');
  });
}

async function getDomain(
  db: Db,
  { id, slug }: Pick<Organization, 'id' | 'slug'>,
  written: string,
): Promise<Domain> {
  const domain = await findDomainByName(db, id, canonicalDomain(written) ?? '');
  if (domain !== undefined) return domain;
  throw new Error(
    `${slug} has no domain ${written}: \`plinto org domain list\` shows which it has`,
  );
}

function explain(
  reason: Extract<VerifyResult, { ok: false }>['reason'],
  { name, token }: Domain,
): string {
  const record = `the TXT record ${recordName(name)}`;
  switch (reason) {
    case 'missing':
      return `${record} isn't there: it has to say ${recordValue(token)}, and can take hours to be seen`;
    case 'different':
      return `${record} says something else than ${recordValue(token)}`;
    case 'unknown':
      return 'no name server had an answer: try again, or see DNS_SERVERS';
    case 'taken':
      return `another organization has proven ${name}: remove it there first`;
    case 'gone':
      return `${name} was removed just now`;
  }
}

function describe(domain: Domain) {
  const { name, token, verified_at, checked_at, missing_since } = domain;
  return {
    name,
    state: verified_at === null ? 'pending' : missing_since === null ? 'proven' : 'missing',
    record: { type: 'TXT', name: recordName(name), value: recordValue(token) },
    verified_at,
    checked_at,
    missing_since,
  };
}
