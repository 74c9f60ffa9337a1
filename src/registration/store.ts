import type { Trx } from '../deps.ts';

/** Replaces what is kept beside a one-time code that is on its way. */
export async function updateCodeData(
  trx: Trx,
  id: string,
  data: Record<string, unknown>,
): Promise<void> {
  await trx('one_time_codes')
    .where({ id })
    .update({ data: JSON.stringify(data) });
}
