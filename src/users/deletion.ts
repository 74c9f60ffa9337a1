import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import type { Mail, Mailer } from '../mail/mail.ts';
import { endUserState } from '../oidc-state/end.ts';
import { listOwnedAlone, lockOrganizationsOf } from '../organizations/ownership/store.ts';
import {
  clearDeleteAfter,
  isLastAdministrator,
  lockForDeletion,
  removeUser,
  setDeleteAfter,
} from './deletion-sql.ts';
import { findUser, type User } from './store.ts';

/** How people are told what becomes of their account. */
export type DeletionTools = {
  mailer: Mailer;
  issuer: string;
  /** The language of mails to a person who set none. */
  locale: string;
};

export type DeletionResult =
  | { ok: true; outcome: 'scheduled' | 'deleted' }
  | { ok: false; reason: 'last_administrator' }
  /** Nobody else owns these. */
  | { ok: false; reason: 'only_owner'; organizations: { slug: string; name: string }[] };

/**
 * Has a user deleted in so many days, in which signing in keeps the account, or at once with 0. They
 * are signed out everywhere and told by mail. Asked for again it changes nothing, except at once. Who
 * alone owns an organization has to hand it over or have it deleted before.
 */
export async function requestDeletion(
  trx: Trx,
  tools: DeletionTools,
  origin: Origin,
  userId: string,
  graceDays: number,
): Promise<DeletionResult> {
  await lockOrganizationsOf(trx, userId);
  // All of them are held before one is, so that of two who ask at once neither waits for the other.
  const administrator = (await findUser(trx, userId))?.administrator === true;
  const last = administrator && (await isLastAdministrator(trx, userId));
  const user = await lockForDeletion(trx, userId);
  if (user === undefined) return { ok: true, outcome: 'deleted' };
  if (user.delete_after !== null && graceDays > 0) return { ok: true, outcome: 'scheduled' };
  if (last) return { ok: false, reason: 'last_administrator' };
  const organizations = await listOwnedAlone(trx, userId, graceDays);
  if (organizations.length > 0) return { ok: false, reason: 'only_owner', organizations };
  const data = { graceDays };
  await record(trx, origin, { type: 'user.deletion_requested', userId, data });
  if (graceDays === 0) {
    await deleteUser(trx, origin, user);
    await tell(trx, tools, user, { template: 'account-deleted', vars: {} });
    return { ok: true, outcome: 'deleted' };
  }
  const at = await setDeleteAfter(trx, userId, graceDays);
  await endUserState(trx, userId);
  const vars = { at: at.toISOString(), url: `${tools.issuer}/account` };
  await tell(trx, tools, user, { template: 'deletion-requested', vars });
  return { ok: true, outcome: 'scheduled' };
}

/** Keeps an account whose deletion was asked for. @returns whether it was. */
export async function cancelDeletion(
  trx: Trx,
  tools: DeletionTools,
  origin: Origin,
  user: User,
): Promise<boolean> {
  if (!(await clearDeleteAfter(trx, user.id))) return false;
  await record(trx, origin, { type: 'user.deletion_cancelled', userId: user.id });
  const vars = { url: `${tools.issuer}/account` };
  await tell(trx, tools, user, { template: 'deletion-cancelled', vars });
  return true;
}

/**
 * Deletes a user with everything that is stored of them but the audit log; the apps that they are
 * signed in to are told. What they belong to is held before they are (lockOrganizationsOf). Of N that
 * race, one gets true.
 */
export async function deleteUser(trx: Trx, origin: Origin, user: User): Promise<boolean> {
  await endUserState(trx, user.id);
  const memberships = await lockOrganizationsOf(trx, user.id);
  if (!(await removeUser(trx, user.id))) return false;
  for (const organizationId of memberships) {
    await record(trx, origin, { type: 'member.removed', organizationId, userId: user.id });
  }
  await record(trx, origin, { type: 'user.deleted', userId: user.id });
  return true;
}

/** Tells a person that their account is gone, at the address that it had. */
export function tellDeleted(trx: Trx, tools: DeletionTools, user: User): Promise<void> {
  return tell(trx, tools, user, { template: 'account-deleted', vars: {} });
}

type Message = Mail extends infer M
  ? M extends Mail
    ? Pick<M, 'template' | 'vars'>
    : never
  : never;

async function tell(
  trx: Trx,
  { mailer, locale }: DeletionTools,
  user: User,
  message: Message,
): Promise<void> {
  if (user.email === null || !mailer.enabled) return;
  const whose = { to: user.email, locale: user.locale ?? locale };
  await mailer.queue(trx, { ...whose, ...message, userId: user.id } as Mail);
}
