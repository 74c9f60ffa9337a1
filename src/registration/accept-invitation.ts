import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Db, Deps, Trx } from '../deps.ts';
import { AppError } from '../errors.ts';
import { findLink, redeemLink } from '../one-time-codes/redeem-code.ts';
import type { OneTimeCode } from '../one-time-codes/store.ts';
import { type HashedPassword, setPassword } from '../password/set-password.ts';
import { findPasswordHash } from '../password/store.ts';
import { findUser, lockUser, type User, updateUser } from '../users/store.ts';
import { type NewAccount, type NewAccountParts, prepareAccount } from './new-account.ts';

type AcceptanceParts = NewAccountParts & { deps: Deps };

/** Whom a link invites. @throws AppError link_invalid for one that doesn't work, or no longer. */
export async function findInvited(db: Db, token: string): Promise<User> {
  const user = await findInvitee(db, token);
  if (user === undefined) throw new AppError('link_invalid');
  return user;
}

async function findInvitee(db: Db, token: string): Promise<User | undefined> {
  const code = await findLink(db, 'invitation', token);
  return code && !code.used && !code.expired ? findOpen(db, code) : undefined;
}

/** The person who accepted with this link, and the app they were invited to, if one was named. */
export async function findAccepted(
  db: Db,
  token: string,
): Promise<{ user: User; clientId: string | undefined } | undefined> {
  const code = await findLink(db, 'invitation', token);
  const user = code?.used && code.user_id ? await findUser(db, code.user_id) : undefined;
  if (code === undefined || user === undefined) return undefined;
  const { client_id: clientId } = code.data;
  return { user, clientId: typeof clientId === 'string' ? clientId : undefined };
}

/**
 * Accepts an invitation: the person has a password and a verified address from then on. The same
 * form sent twice is accepted twice, and does it once.
 *
 * @returns what is wrong with the form, if anything.
 * @throws AppError link_invalid when the link expired, was replaced or is of somebody who has got a
 *   password meanwhile; busy when too many passwords wait to be hashed.
 */
export async function acceptInvitation(
  parts: AcceptanceParts,
  origin: Origin,
  token: string,
  input: NewAccount,
): Promise<string | undefined> {
  const { db } = parts.deps;
  const invited = await findInvitee(db, token);
  if (invited === undefined) {
    // Asked last, or the same form could be done between the two.
    if ((await findAccepted(db, token)) !== undefined) return undefined;
    throw new AppError('link_invalid');
  }
  const prepared = await prepareAccount(parts, invited.email, input);
  if ('problem' in prepared) return prepared.problem;
  const { password } = prepared;
  return transaction(db, async (trx) => {
    // Before the code, as inviting them again does.
    await lockUser(trx, invited.id);
    const redeemed = await redeemLink(trx, 'invitation', token);
    if (!redeemed.ok && redeemed.reason === 'used') return undefined;
    const user = redeemed.ok ? await findOpen(trx, redeemed.code) : undefined;
    if (user === undefined) throw new AppError('link_invalid');
    await takeOver(trx, origin, user, input, password, parts.termsUrl !== undefined);
    return undefined;
  });
}

async function takeOver(
  trx: Trx,
  origin: Origin,
  user: User,
  input: NewAccount,
  password: HashedPassword,
  terms: boolean,
): Promise<void> {
  const by = { ...origin, actor: `user:${user.id}` };
  await setPassword(trx, by, user, password);
  await updateUser(trx, user.id, {
    given_name: input.given_name || null,
    family_name: input.family_name || null,
    locale: user.locale ?? input.locale,
    email_verified_at: trx.fn.now(),
    ...(terms ? { terms_accepted_at: trx.fn.now() } : {}),
  });
  await record(trx, by, { type: 'user.invitation_accepted', userId: user.id });
}

/** The person invited, while nothing about them has changed that makes the invitation moot. */
async function findOpen(db: Db, code: OneTimeCode): Promise<User | undefined> {
  const user = code.user_id === null ? undefined : await findUser(db, code.user_id);
  if (user === undefined || user.status !== 'active' || user.email !== code.address) {
    return undefined;
  }
  // Who proved the address in another way has the account; the link may be in other hands.
  if (user.email_verified_at !== null) return undefined;
  return (await findPasswordHash(db, user.id)) === undefined ? user : undefined;
}
