import { validate as isUuid } from 'uuid';
import type { Db } from '../../deps.ts';
import { findUser, findUserByIdentifier, type User } from '../../users/store.ts';
import type { Answer } from '../terminal/output.ts';

/** What an argument that names a user may be. */
export const WHO = 'id, email address or username';

/** The user whom an argument names. @throws Error when nobody goes by this. */
export async function getUser(db: Db, who: string): Promise<User> {
  const found = (isUuid(who) && (await findUser(db, who))) || (await findUserByIdentifier(db, who));
  if (!found) throw new Error(`there is no user ${who}: \`plinto user list\` shows who there is`);
  return found;
}

/** What people are told of a change, and programs of the user as they are now. */
export function answer(user: User, line: string): Answer {
  return { value: describe(user), lines: [line] };
}

/** What a user is called on the terminal. */
export function nameOf(user: User): string {
  return user.email ?? user.username ?? user.id;
}

/** A user as commands print one. */
export function describe(user: User) {
  return {
    id: user.id,
    status: user.status,
    administrator: user.administrator,
    email: user.email,
    email_verified: user.email_verified_at !== null,
    username: user.username,
    name: user.name,
    given_name: user.given_name,
    family_name: user.family_name,
    nickname: user.nickname,
    picture: user.picture,
    phone_number: user.phone_number,
    phone_number_verified: user.phone_number_verified_at !== null,
    attributes: user.metadata.attributes ?? null,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    terms_accepted_at: user.terms_accepted_at,
    delete_after: user.delete_after,
    created_at: user.created_at,
    updated_at: user.updated_at,
  };
}
