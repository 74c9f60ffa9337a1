import { open, seal } from '../../../crypto/secret-box.ts';
import type { Trx } from '../../../deps.ts';
import type { AddressResult } from '../../../organizations/invitations/invite.ts';
import { findResults, insertResults } from '../../../organizations/invitations/store.ts';
import type { AccountParts } from '../../account.ts';
import type { OrganizationVisit } from '../organization-pages.ts';

type Sent<Reason> = { ok: true; results: AddressResult[] } | { ok: false; reason: Reason };

function keyOf({ organization, user }: OrganizationVisit, form: string) {
  return { organization_id: organization.id, user_id: user.id, form };
}

const contextOf = (key: object): string => `invitations ${Object.values(key).join(' ')}`;

/**
 * Does what a form asks for and keeps what became of it for the page after it; a form that was sent
 * before does nothing more.
 */
export async function keepResults<Reason>(
  trx: Trx,
  { boxKeys }: Pick<AccountParts, 'boxKeys'>,
  visit: OrganizationVisit,
  form: string,
  work: () => Promise<Sent<Reason>>,
): Promise<{ ok: true } | { ok: false; reason: Reason }> {
  const key = keyOf(visit, form);
  if ((await findResults(trx, key)) !== undefined) return { ok: true };
  const sent = await work();
  if (!sent.ok) return sent;
  const sealed = seal(boxKeys, contextOf(key), JSON.stringify(sent.results));
  await insertResults(trx, { ...key, sealed });
  return { ok: true };
}

/** What became of the form that the address of the page names, if the visitor sent it. */
export async function readResults(
  { deps, boxKeys }: Pick<AccountParts, 'deps' | 'boxKeys'>,
  visit: OrganizationVisit,
): Promise<AddressResult[] | undefined> {
  const { sent } = visit.ctx.query;
  const key = keyOf(visit, typeof sent === 'string' ? sent : '');
  const sealed = await findResults(deps.db, key);
  return sealed === undefined ? undefined : JSON.parse(open(boxKeys, contextOf(key), sealed));
}
