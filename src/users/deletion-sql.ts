import type { Db, Trx } from '../deps.ts';
import type { User } from './store.ts';

/** The user as they are now, held also against rows that would refer to them. */
export async function lockForDeletion(trx: Trx, id: string): Promise<User | undefined> {
  return trx('users').where({ id }).forUpdate().first();
}

/**
 * Whether nobody else administers the installation, or will when deletions that were asked for have
 * taken place. Of the last two who ask at once, the second gets true.
 */
export async function isLastAdministrator(trx: Trx, id: string): Promise<boolean> {
  const rows = await trx('users')
    .where({ administrator: true, status: 'active', delete_after: null })
    .orderBy('id')
    .forUpdate()
    .select('id');
  return rows.every((row) => row.id === id);
}

/** Notes when a user's deletion takes place, in days from now. @returns the moment. */
export async function setDeleteAfter(trx: Trx, id: string, days: number): Promise<Date> {
  const [row] = await trx('users')
    .where({ id })
    .update({ delete_after: trx.raw('now() + make_interval(days => ?)', [days]) })
    .returning('delete_after');
  return row.delete_after;
}

/** Takes back a deletion that was asked for. @returns whether one was. */
export async function clearDeleteAfter(trx: Trx, id: string): Promise<boolean> {
  const changed = await trx('users')
    .where({ id })
    .whereNotNull('delete_after')
    .update({ delete_after: null });
  return changed > 0;
}

/** A user whose time is up, except these. */
export async function findDueUser(db: Db, except: readonly string[]): Promise<string | undefined> {
  const row = await db('users')
    .whereRaw('delete_after <= now()')
    .whereNotIn('id', [...except])
    .orderBy('delete_after')
    .first('id');
  return row?.id;
}

/** A user whose time is up, held; undefined if it isn't, or somebody else deletes them right now. */
export async function lockDueUser(trx: Trx, id: string): Promise<User | undefined> {
  return trx('users')
    .where({ id })
    .whereRaw('delete_after <= now()')
    .forUpdate()
    .skipLocked()
    .first();
}

/** Deletes a user, and by its foreign keys whatever belongs to them. @returns whether they were there. */
export async function removeUser(trx: Trx, id: string): Promise<boolean> {
  return (await trx('users').where({ id }).delete()) > 0;
}
