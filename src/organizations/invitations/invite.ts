import { v7 as uuid } from 'uuid';
import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { tidyLines } from '../../http/words.ts';
import type { OrganizationFor } from '../store.ts';
import { findRights, type Inviter, type InvitingRights, mayActOn, mayGive } from './inviter.ts';
import { listInvitationApps } from './list-sql.ts';
import { type InvitationTools, makeLink, queueInvitation, reserveMail } from './send-invitation.ts';
import {
  countOpenInvitations,
  findAddressed,
  findPendingFor,
  type Invitation,
  insertInvitation,
  replaceInvitation,
} from './store.ts';

/** Most addresses at once, characters of a message, days, and open invitations of an organization. */
export const INVITATION_LIMITS = { addresses: 100, message: 500, days: 30, open: 500 } as const;

/** Characters that are told of an address that is none. */
const MAX_TOLD = 254;

export type Invitations = {
  /** As they were typed. */
  addresses: readonly string[];
  roleIds: readonly string[];
  message: string;
  days: number;
  /** The app that they go on to. */
  clientId: string | undefined;
  /** Language of the mails to people who are not known. */
  locale: string;
  /** Name of who invites; empty for the installation. */
  from: string;
};

/** What became of one address. */
export type AddressResult = {
  address: string;
  result:
    | 'invited'
    /** They were invited before: that link no longer works. */
    | 'resent'
    | 'member'
    | 'invalid'
    /** It is in the list before. */
    | 'duplicate'
    /** Somebody invited them whose invitation the inviter has no part in. */
    | 'taken'
    | 'throttled'
    /** The organization has as many open invitations as it may. */
    | 'full';
  /** The link, where no mail is sent. */
  url?: string;
};

export type InviteProblem =
  | 'addresses_missing'
  | 'addresses_many'
  | 'roles_missing'
  | 'role_refused'
  | 'message_long'
  | 'days_invalid'
  | 'client_unknown';

export type InviteResult =
  | { ok: true; results: AddressResult[] }
  | { ok: false; reason: InviteProblem };

/**
 * Invites people to an organization, each with a result of its own. The organization is held, and was
 * read for the inviter.
 */
export async function inviteToOrganization(
  trx: Trx,
  tools: InvitationTools,
  origin: Origin,
  { organization, inviter }: { organization: OrganizationFor; inviter: Inviter },
  invitations: Invitations,
): Promise<InviteResult> {
  const message = tidyLines(invitations.message);
  const rights = await findRights(trx, organization, inviter);
  const reason =
    findProblem({ ...invitations, message }, rights) ??
    (await findAppProblem(trx, organization.id, invitations.clientId));
  if (reason !== undefined) return { ok: false, reason };
  const listed = listAddresses(tools, invitations.addresses);
  const emails = listed.flatMap(({ email }) => email ?? []);
  const known = await findAddressed(trx, organization.id, emails);
  const pending = await findPendingFor(trx, organization.id, emails);
  const { foldCase } = tools;
  const batch: Batch = {
    organization,
    inviter,
    rights,
    invitations: { ...invitations, message },
    known: new Map(known.map((one) => [foldCase(one.email), one])),
    pending: new Map(pending.map((one) => [foldCase(one.email), one])),
    room: INVITATION_LIMITS.open - (await countOpenInvitations(trx, organization.id)),
  };
  // In one order, whoever sends: what mails are counted by is held until the end.
  for (const one of listed.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    if (one.email !== undefined) {
      Object.assign(one.result, await inviteAddress(trx, tools, origin, batch, one.key, one.email));
    }
  }
  return { ok: true, results: listed.map(({ result }) => result) };
}

type Batch = {
  organization: OrganizationFor;
  inviter: Inviter;
  rights: InvitingRights;
  invitations: Invitations;
  known: Map<string, { locale: string | null; member: boolean }>;
  pending: Map<string, Invitation>;
  /** How many more there may be. */
  room: number;
};

function findProblem(
  { addresses, roleIds, message, days }: Invitations,
  rights: InvitingRights,
): InviteProblem | undefined {
  if (addresses.length === 0) return 'addresses_missing';
  if (addresses.length > INVITATION_LIMITS.addresses) return 'addresses_many';
  if (roleIds.length === 0) return 'roles_missing';
  if (!mayGive(rights, roleIds)) return 'role_refused';
  if ([...message].length > INVITATION_LIMITS.message) return 'message_long';
  if (!Number.isInteger(days) || days < 1 || days > INVITATION_LIMITS.days) return 'days_invalid';
  return undefined;
}

async function findAppProblem(
  trx: Trx,
  organizationId: string,
  clientId: string | undefined,
): Promise<'client_unknown' | undefined> {
  if (clientId === undefined) return undefined;
  const apps = await listInvitationApps(trx, organizationId, clientId);
  return apps.some(({ id }) => id === clientId) ? undefined : 'client_unknown';
}

/** Each address with its result, which is known already of those that are none or there twice. */
function listAddresses(
  { canonicalEmail, foldCase }: InvitationTools,
  addresses: readonly string[],
): { email: string | undefined; key: string; result: AddressResult }[] {
  const seen = new Set<string>();
  return addresses.map((typed) => {
    const email = canonicalEmail(typed);
    const key = foldCase(email ?? '');
    const twice = seen.has(key);
    if (email === undefined || twice) {
      const address = email ?? [...typed].slice(0, MAX_TOLD).join('');
      const result = email === undefined ? 'invalid' : 'duplicate';
      return { email: undefined, key, result: { address, result } };
    }
    seen.add(key);
    return { email, key, result: { address: email, result: 'invited' } };
  });
}

async function inviteAddress(
  trx: Trx,
  tools: InvitationTools,
  origin: Origin,
  batch: Batch,
  key: string,
  email: string,
): Promise<Pick<AddressResult, 'result' | 'url'>> {
  const { organization, inviter, rights, invitations } = batch;
  const before = batch.pending.get(key);
  if (batch.known.get(key)?.member) return { result: 'member' };
  if (before !== undefined && !mayActOn(rights, inviter, before)) return { result: 'taken' };
  const fresh = before === undefined || before.expired;
  if (fresh && batch.room <= 0) return { result: 'full' };
  const reservation = await reserveMail(trx, tools, inviter, organization.id, email);
  if (!reservation.ok) return { result: 'throttled' };
  if (fresh) batch.room -= 1;

  const { url, token_hash } = makeLink(tools);
  const { days, from, roleIds } = invitations;
  const message = invitations.message || null;
  const locale = batch.known.get(key)?.locale ?? invitations.locale;
  const about = { id: before?.id ?? uuid(), organization_id: organization.id, email };
  const mailed = tools.mailer.enabled;
  const sent = {
    token_hash,
    mailed,
    message,
    client_id: invitations.clientId ?? null,
    locale,
    invited_by: inviter === 'installation' ? null : inviter.userId,
    days,
    roleIds,
  };
  if (before === undefined) await insertInvitation(trx, about, sent);
  else await replaceInvitation(trx, about, sent);
  await queueInvitation(trx, tools, { organization, email, url, days, from, message, locale });
  const keys = rights.roles.filter(({ id }) => roleIds.includes(id)).map((role) => role.key);
  await record(trx, origin, {
    type: before === undefined ? 'invitation.created' : 'invitation.resent',
    organizationId: organization.id,
    data: { invitationId: about.id, roles: keys.toSorted() },
  });
  return {
    result: before === undefined ? 'invited' : 'resent',
    ...(mailed ? {} : { url }),
  };
}
