import type { Db, Trx } from '../deps.ts';

const PURPOSE = 'setup';

/** Replaces the setup link: only the newest works. `ttl` in seconds. */
export async function replaceSetupCode(
  trx: Trx,
  code: { id: string; hash: Buffer; ttl: number },
): Promise<void> {
  await trx('one_time_codes').where({ purpose: PURPOSE }).delete();
  await trx('one_time_codes').insert({
    id: code.id,
    hash: code.hash,
    purpose: PURPOSE,
    expires_at: trx.raw('now() + make_interval(secs => ?)', [code.ttl]),
  });
}

/** Whether a setup link still works. */
export async function isSetupCode(db: Db, hash: Buffer): Promise<boolean> {
  const row = await db('one_time_codes')
    .where({ purpose: PURPOSE, hash })
    .where('expires_at', '>', db.fn.now())
    .first('id');
  return row !== undefined;
}

/** Uses the link up. @returns whether it worked; of N that race, one gets true. */
export async function takeSetupCode(trx: Trx, hash: Buffer): Promise<boolean> {
  const count = await trx('one_time_codes')
    .where({ purpose: PURPOSE, hash })
    .where('expires_at', '>', trx.fn.now())
    .delete();
  return count === 1;
}
