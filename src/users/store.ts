import type { Knex } from 'knex';
import { execute } from '../db/prepared.ts';
import type { Db, Trx } from '../deps.ts';

export type UserStatus = 'active' | 'suspended' | 'deactivated';

export type UserMetadata = { attributes?: Record<string, string> } & Record<string, unknown>;

export type User = {
  id: string;
  status: UserStatus;
  administrator: boolean;
  email: string | null;
  email_verified_at: Date | null;
  username: string | null;
  phone_number: string | null;
  phone_number_verified_at: Date | null;
  name: string | null;
  given_name: string | null;
  family_name: string | null;
  middle_name: string | null;
  nickname: string | null;
  profile: string | null;
  picture: string | null;
  website: string | null;
  gender: string | null;
  birthdate: string | null;
  locale: string | null;
  zoneinfo: string | null;
  address: Record<string, string> | null;
  /** Attributes of the installation's own are under `attributes`. */
  metadata: UserMetadata;
  terms_accepted_at: Date | null;
  /** When a deletion that was asked for takes place. */
  delete_after: Date | null;
  /** Second factors that are turned on. */
  factors: string[];
  passkey_offered_at: Date | null;
  created_at: Date;
  updated_at: Date;
};

/** Nobody's id: to ask for it takes as long as for anybody's (security 9). */
export const NOBODY = '00000000-0000-0000-0000-000000000000';

/** What a new row may say; the rest has defaults. Moments can be the database's own `now()`. */
export type NewUser = Pick<User, 'id'> &
  Partial<
    Omit<
      User,
      | 'id'
      | 'email_verified_at'
      | 'terms_accepted_at'
      | 'factors'
      | 'passkey_offered_at'
      | 'created_at'
      | 'updated_at'
    >
  > & {
    email_verified_at?: Date | Knex.Raw | null;
    terms_accepted_at?: Date | Knex.Raw | null;
  };

/** What may change of a row; moments can be the database's own `now()`. */
export type UserChange = Partial<
  Omit<NewUser, 'id' | 'status' | 'administrator' | 'phone_number_verified_at' | 'delete_after'> & {
    phone_number_verified_at: Date | Knex.Raw | null;
    delete_after: Date | Knex.Raw | null;
  }
>;

// By name, not *: a prepared statement whose columns change fails until its connection is closed,
// and the next release may add one while this one serves.
const FIND_ACTIVE = {
  name: 'user-find-active',
  text: `SELECT id, status, administrator, email, email_verified_at, username, phone_number,
      phone_number_verified_at, name, given_name, family_name, middle_name, nickname, profile, picture,
      website, gender, birthdate, locale, zoneinfo, address, metadata, terms_accepted_at,
      delete_after, factors, passkey_offered_at, created_at, updated_at
    FROM users WHERE id = $1 AND status = 'active'`,
};

/** The user, if active: what every token is issued from. */
export async function findActiveUser(db: Db, id: string): Promise<User | undefined> {
  return (await execute<User>(db, FIND_ACTIVE, [id])).rows[0];
}

/**
 * The user, if active, held until the transaction ends: for changes that depend on what is there.
 * Rows that only name the user can be inserted meanwhile, or those who insert one while they hold
 * another that is wanted here would never get on.
 */
export async function lockActiveUser(trx: Trx, id: string): Promise<User | undefined> {
  return trx('users').where({ id, status: 'active' }).forNoKeyUpdate().first();
}

/** The user whatever their status, held until the transaction ends. */
export async function lockUser(trx: Trx, id: string): Promise<User | undefined> {
  return trx('users').where({ id }).forNoKeyUpdate().first();
}

/** The user with this id, whatever their status. */
export async function findUser(db: Db, id: string): Promise<User | undefined> {
  return db('users').where({ id }).first();
}

/** The user who signs in as this: an address if it has an @, else a username; in canonical form. */
export async function findUserByIdentifier(db: Db, identifier: string): Promise<User | undefined> {
  const column = identifier.includes('@') ? 'email' : 'username';
  return db('users').whereRaw('lower(??) = lower(?)', [column, identifier]).first();
}

/** True once somebody administers this installation. */
export async function hasAdministrator(db: Db): Promise<boolean> {
  return (await db('users').where({ administrator: true }).first('id')) !== undefined;
}

/** Users in order of creation, a page after the given id. */
export async function listUsers(
  db: Db,
  page: { after?: string | undefined; limit: number; search?: string | undefined },
): Promise<User[]> {
  const query = db('users').orderBy('id').limit(page.limit);
  if (page.after !== undefined) query.where('id', '>', page.after);
  if (page.search !== undefined) {
    const pattern = `${page.search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
    query.where((q) => {
      q.whereRaw('lower(email) LIKE ?', [pattern]).orWhereRaw('lower(username) LIKE ?', [pattern]);
    });
  }
  return query;
}

/** Inserts a user. @throws the driver's unique_violation when address or username is taken. */
export async function insertUser(trx: Trx, user: NewUser): Promise<User> {
  const [row] = await trx('users').insert(user).returning('*');
  return row;
}

/** Changes a user's status. */
export async function updateUserStatus(trx: Trx, id: string, status: UserStatus): Promise<void> {
  await trx('users').where({ id }).update({ status, updated_at: trx.fn.now() });
}

/**
 * Changes columns of a user, who thereby has changed as far as apps are concerned (`updated_at`).
 *
 * @throws the driver's unique_violation when address or username is taken.
 */
export async function updateUser(trx: Trx, id: string, change: UserChange): Promise<void> {
  const { metadata, address, ...columns } = change;
  await trx('users')
    .where({ id })
    .update({
      ...columns,
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(metadata) }),
      ...(address === undefined ? {} : { address: address && JSON.stringify(address) }),
      updated_at: trx.fn.now(),
    });
}
