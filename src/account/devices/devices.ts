import { record } from '../../audit/record.ts';
import { isId } from '../../db/id.ts';
import { transaction } from '../../db/pool.ts';
import { describeDevice } from '../../devices/describe-device.ts';
import {
  listTrustedDevices,
  removeTrustedDevice,
  removeTrustedDevices,
} from '../../devices/store.ts';
import { AppError } from '../../errors.ts';
import { momentFormat } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';

/** Browsers in which a person isn't asked for a second factor; any of them they can forget. */
export function devicePages(account: Account, parts: AccountParts): void {
  account.page('/devices', {}, async (visit) => {
    const { rememberDays } = parts.mfa;
    visit.show('account-devices', { devices: await describeDevices(parts, visit), rememberDays });
  });
  account.action('/devices', {}, async (visit, form) => {
    const asked = form.device ?? '';
    const count =
      asked === 'all' ? await forgetAll(parts, visit) : await forget(parts, visit, asked);
    if (count === undefined) throw new AppError('not_found');
    return asked === 'all' ? '/devices?done=devices' : '/devices?done=device';
  });
}

/** How many were forgotten by it: sent again, the form forgets none. Undefined for those of others. */
async function forget(
  { deps }: AccountParts,
  { user, origin }: Visit,
  id: string,
): Promise<number | undefined> {
  if (!isId(id)) return undefined;
  return transaction(deps.db, async (trx) => {
    const before = await removeTrustedDevice(trx, user.id, id);
    if (before !== 'trusted') return before && 0;
    const data = { count: 1 };
    await record(trx, origin, { type: 'device.forgotten', userId: user.id, data });
    return 1;
  });
}

async function forgetAll({ deps }: AccountParts, { user, origin }: Visit): Promise<number> {
  return transaction(deps.db, async (trx) => {
    const count = await removeTrustedDevices(trx, user.id);
    const data = { count };
    if (count > 0) await record(trx, origin, { type: 'device.forgotten', userId: user.id, data });
    return count;
  });
}

async function describeDevices(parts: AccountParts, { ctx, user }: Visit) {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const token = parts.trustedDevices.read(ctx, user.id);
  const all = await listTrustedDevices(parts.deps.db, user.id, token);
  return all.map((device) => ({
    id: device.id,
    here: device.here,
    ...describeDevice(device.user_agent),
    place: device.place,
    ip: device.ip,
    since: say(device.created_at),
    lastUsed: say(device.last_used_at),
    until: say(device.expires_at),
  }));
}
