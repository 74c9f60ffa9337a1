import { SYSTEM } from '../audit/events.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import { type DeletionTools, deleteUser, tellDeleted } from './deletion.ts';
import { isLastAdministrator, lockDueUser } from './deletion-sql.ts';

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
  const failed: { id: string; error: unknown }[] = [];
  const kept: string[] = [];
  let deleted = 0;
  for (;;) {
    let id = '';
    try {
      const found = await transaction(db, async (trx) => {
        const user = await lockDueUser(trx, [...kept, ...failed.map((one) => one.id)]);
        if (user === undefined) return false;
        id = user.id;
        // The others may have been suspended or have gone since it was asked for.
        if (user.administrator && (await isLastAdministrator(trx, id))) {
          kept.push(id);
          log.warn({ userId: id }, 'the last administrator is not deleted');
          return true;
        }
        await deleteUser(trx, SYSTEM, user);
        await tellDeleted(trx, tools, user);
        return true;
      });
      if (!found) break;
      if (!kept.includes(id)) deleted += 1;
    } catch (error) {
      if (id === '') throw error;
      log.warn({ err: error }, 'a user could not be deleted');
      failed.push({ id, error });
    }
  }
  if (failed[0] !== undefined) throw failed[0].error;
  return deleted;
}
