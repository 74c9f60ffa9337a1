import { Readable } from 'node:stream';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import type { Account, AccountParts } from '../account.ts';
import { exportUser } from './export-user.ts';

/** What is stored of a person, for them to take along. */
export function dataPages(account: Account, parts: AccountParts): void {
  const { deps } = parts;
  account.page('/data', {}, async (visit) => visit.show('account-data'));
  // A form, because who has to sign in first comes back to a page, and not to a file.
  account.action('/data', { fresh: true }, async () => '/data/download');
  account.page('/data/download', { fresh: true }, async ({ ctx, user, origin }) => {
    await transaction(deps.db, (trx) =>
      record(trx, origin, { type: 'user.exported', userId: user.id }),
    );
    ctx.set('Cache-Control', 'no-store');
    ctx.attachment('my-data.json');
    ctx.type = 'json';
    ctx.body = Readable.from(exportUser(deps, user));
  });
}
