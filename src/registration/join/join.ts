import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import type { Db, Trx } from '../../deps.ts';
import { AppError } from '../../errors.ts';
import { acceptInvitation, holdInvitation } from '../../organizations/invitations/accept.ts';
import { findByLink } from '../../organizations/invitations/reference.ts';
import { findInvitationByToken, type Invitation } from '../../organizations/invitations/store.ts';
import { type HashedPassword, setPassword } from '../../password/set-password.ts';
import { createUser } from '../../users/create-user.ts';
import { foldCase } from '../../users/identifiers.ts';
import { updateUser } from '../../users/store.ts';
import type { InvitationRoutesParts } from '../invitation-routes.ts';
import { type NewAccount, prepareAccount } from '../new-account.ts';

/**
 * Makes the account of somebody who was invited to an organization, and them its member. The same
 * form sent twice does it once.
 *
 * @returns what is wrong with the form, if anything; `taken` when there is an account meanwhile.
 * @throws AppError link_invalid for a link that doesn't work, or no longer, or makes no account; busy
 *   when too many passwords wait to be hashed.
 */
export async function joinAsNewUser(
  parts: InvitationRoutesParts,
  origin: Origin,
  token: string,
  input: NewAccount,
): Promise<string | undefined> {
  const { db } = parts.deps;
  const { invitation } = (await findByLink(db, token)) ?? {};
  if (invitation === undefined || !makesAccounts(parts, invitation)) {
    // Asked last, or the same form could be done between the two.
    if (await isAccepted(db, token)) return undefined;
    throw new AppError('link_invalid');
  }
  const prepared = await prepareAccount(parts, invitation.email, input);
  if ('problem' in prepared) return prepared.problem;
  return transaction(db, async (trx) => {
    // Held before anything else, as every change of an organization begins.
    if ((await holdInvitation(trx, invitation)) === undefined) throw new AppError('link_invalid');
    if (await isAccepted(trx, token)) return undefined;
    const terms = parts.termsUrl !== undefined;
    return createMember(trx, origin, invitation, input, prepared.password, terms);
  });
}

/**
 * Whether a link may make an account: nobody but who reads the mail of the address knows one that was
 * mailed there. One that was shown instead proves nothing, unless the installation vouches for it.
 */
export function makesAccounts(
  { signUp }: Pick<InvitationRoutesParts, 'signUp'>,
  { mailed, invited_by }: Invitation,
): boolean {
  return (mailed || invited_by === null) && signUp.policy !== 'closed';
}

async function isAccepted(db: Db, token: string): Promise<boolean> {
  return (await findInvitationByToken(db, token))?.status === 'accepted';
}

async function createMember(
  trx: Trx,
  origin: Origin,
  invitation: Invitation,
  { given_name, family_name, locale }: NewAccount,
  password: HashedPassword,
  terms: boolean,
): Promise<'taken' | undefined> {
  const created = await createUser(trx, origin, {
    email: invitation.email,
    emailVerified: true,
    administrator: false,
    profile: { given_name: given_name || null, family_name: family_name || null, locale },
  });
  if (!created.ok) return 'taken';
  const { user } = created;
  const by = { ...origin, actor: `user:${user.id}` };
  await setPassword(trx, by, user, password);
  if (terms) await updateUser(trx, user.id, { terms_accepted_at: trx.fn.now() });
  const accepted = await acceptInvitation(trx, by, invitation, user.id, foldCase);
  // Thrown, so that no account is left.
  if (accepted !== 'joined') throw new AppError('link_invalid');
  await record(trx, by, { type: 'user.invitation_accepted', userId: user.id });
  return undefined;
}
