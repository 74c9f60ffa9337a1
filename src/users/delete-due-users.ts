import { SYSTEM } from '../audit/events.ts';
import { transaction } from '../db/pool.ts';
import type { Deps, Trx } from '../deps.ts';
import { isKeptAsOwner, lockOrganizationsOf } from '../organizations/ownership/store.ts';
import { type DeletionTools, deleteUser, tellDeleted } from './deletion.ts';
import { findDueUser, isLastAdministrator, lockDueUser } from './deletion-sql.ts';

/**
 * Deletes the users whose time is up, each in a transaction of its own. Of two replicas that do so at
 * once, each deletes some.
 *
 * @returns how many are gone.
 * @throws what went wrong with one of them, after the others.
 */
export async function deleteDueUsers(
  { db, log }: Pick<Deps, 'db' | 'log'>,
  tools: DeletionTools,
): Promise<number> {
  const failed: unknown[] = [];
  const seen: string[] = [];
  let deleted = 0;
  for (;;) {
    const id = await findDueUser(db, seen);
    if (id === undefined) break;
    seen.push(id);
    try {
      const outcome = await transaction(db, (trx) => deleteIfDue(trx, tools, id));
      if (outcome === 'deleted') deleted += 1;
      // The others may have been suspended or have gone since it was asked for.
      else if (outcome !== undefined) log.warn({ userId: id }, outcome);
    } catch (error) {
      log.warn({ err: error }, 'a user could not be deleted');
      failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
  return deleted;
}

/** Says why somebody is kept; undefined where another replica was first. */
async function deleteIfDue(
  trx: Trx,
  tools: DeletionTools,
  id: string,
): Promise<
  | 'deleted'
  | 'the last administrator is not deleted'
  | 'the only owner of an organization is not deleted'
  | undefined
> {
  // What they belong to before themselves, as whoever changes an organization holds it first.
  await lockOrganizationsOf(trx, id);
  const user = await lockDueUser(trx, id);
  if (user === undefined) return undefined;
  if (user.administrator && (await isLastAdministrator(trx, id))) {
    return 'the last administrator is not deleted';
  }
  if (await isKeptAsOwner(trx, id)) return 'the only owner of an organization is not deleted';
  await deleteUser(trx, SYSTEM, user);
  await tellDeleted(trx, tools, user);
  return 'deleted';
}
