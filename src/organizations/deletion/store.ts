import type { Trx } from '../../deps.ts';
import type { Organization } from '../store.ts';

/** Notes when an organization's deletion takes place, in days from now. @returns the moment. */
export async function setDeleteAfter(trx: Trx, id: string, days: number): Promise<Date> {
  const [row] = await trx('organizations')
    .where({ id })
    .update({ delete_after: trx.raw('now() + make_interval(days => ?)', [days]) })
    .returning('delete_after');
  return row.delete_after;
}

/** Takes back a deletion that was asked for. @returns whether one was. */
export async function clearDeleteAfter(trx: Trx, id: string): Promise<boolean> {
  const changed = await trx('organizations')
    .where({ id })
    .whereNotNull('delete_after')
    .update({ delete_after: null });
  return changed > 0;
}

/** An organization whose time is up, except these; held, and passed over by whoever else looks. */
export async function lockDueOrganization(
  trx: Trx,
  except: readonly string[],
): Promise<Organization | undefined> {
  return trx('organizations')
    .whereRaw('delete_after <= now()')
    .whereNotIn('id', [...except])
    .orderBy('delete_after')
    .forUpdate()
    .skipLocked()
    .first();
}

/** Deletes an organization and, by its foreign keys, whatever is its own. @returns whether it was there. */
export async function removeOrganization(trx: Trx, id: string): Promise<boolean> {
  return (await trx('organizations').where({ id }).delete()) > 0;
}
