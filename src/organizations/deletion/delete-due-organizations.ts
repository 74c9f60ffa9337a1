import { SYSTEM } from '../../audit/events.ts';
import { transaction } from '../../db/pool.ts';
import type { Deps } from '../../deps.ts';
import type { OwnerTools } from '../tell-owners.ts';
import { deleteOrganization } from './request-deletion.ts';
import { lockDueOrganization } from './store.ts';

/**
 * Deletes the organizations whose time is up, each in a transaction of its own. Of two replicas that
 * do so at once, each deletes some.
 *
 * @returns how many are gone.
 * @throws what went wrong with one of them, after the others.
 */
export async function deleteDueOrganizations(
  { db, log }: Pick<Deps, 'db' | 'log'>,
  tools: OwnerTools,
): Promise<number> {
  const failed: { id: string; error: unknown }[] = [];
  let deleted = 0;
  for (;;) {
    let id = '';
    try {
      const found = await transaction(db, async (trx) => {
        const due = await lockDueOrganization(
          trx,
          failed.map((one) => one.id),
        );
        if (due === undefined) return false;
        id = due.id;
        return deleteOrganization(trx, tools, SYSTEM, due);
      });
      if (!found) break;
      deleted += 1;
    } catch (error) {
      if (id === '') throw error;
      log.warn({ err: error }, 'an organization could not be deleted');
      failed.push({ id, error });
    }
  }
  if (failed[0] !== undefined) throw failed[0].error;
  return deleted;
}
