import { v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import { canonicalEmail, canonicalUsername } from './identifiers.ts';
import { findUserByIdentifier, type NewUser, type User } from './store.ts';
import { insertUnlessTaken } from './unless-taken.ts';

export type UserProfile = Partial<
  Pick<
    NewUser,
    'name' | 'given_name' | 'family_name' | 'nickname' | 'locale' | 'zoneinfo' | 'phone_number'
  >
>;

export type CreateUserInput = {
  email?: string | undefined;
  username?: string | undefined;
  /** The address was proven, or an administrator vouches for it. */
  emailVerified: boolean;
  administrator: boolean;
  profile: UserProfile;
};

export type CreateUserResult =
  | { ok: true; user: User }
  | {
      ok: false;
      reason:
        | 'identifier_missing'
        | 'email_invalid'
        | 'email_taken'
        | 'username_invalid'
        | 'username_taken';
    };

/**
 * Creates an active user without any credential. Of N that race for one address, one wins and the
 * others get `email_taken`.
 */
export async function createUser(
  trx: Trx,
  origin: Origin,
  input: CreateUserInput,
): Promise<CreateUserResult> {
  if (!input.email && !input.username) return { ok: false, reason: 'identifier_missing' };
  const email = input.email ? canonicalEmail(input.email) : null;
  if (email === undefined) return { ok: false, reason: 'email_invalid' };
  const username = input.username ? canonicalUsername(input.username) : null;
  if (username === undefined) return { ok: false, reason: 'username_invalid' };

  const user = await insertUnlessTaken(trx, {
    ...input.profile,
    id: uuid(),
    email,
    username,
    email_verified_at: email !== null && input.emailVerified ? trx.fn.now() : null,
    administrator: input.administrator,
  });
  if (user === undefined) {
    const emailTaken = email !== null && (await findUserByIdentifier(trx, email)) !== undefined;
    return { ok: false, reason: emailTaken ? 'email_taken' : 'username_taken' };
  }
  const data = { administrator: input.administrator };
  await record(trx, origin, { type: 'user.created', userId: user.id, data });
  return { ok: true, user };
}
