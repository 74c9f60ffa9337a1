import Provider, { errors } from 'oidc-provider';
import { hashToken } from '../../crypto/token-hash.ts';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import { AppError } from '../../errors.ts';
import { insertArtifactOnce } from '../../oidc-state/artifacts.ts';
import { addressKey, reserve, type ThrottleKey, takeBack } from '../../throttle/throttle.ts';
import { translated } from '../storage/database-errors.ts';

/**
 * Seconds that must lie between two polls with one device code. Clients wait 5 unless told otherwise
 * (RFC 8628 §3.2); one less, so that an answer that travelled faster than the one before isn't held
 * against them.
 */
const INTERVAL = 4;

/**
 * Answers `slow_down` to a client that polls for a pending device code too often (RFC 8628 §3.5),
 * whichever replica it asks. A code that was approved is given out at once.
 */
export function slowDownPolling(provider: Provider, db: Db): void {
  const { DeviceCode } = provider;
  const find = DeviceCode.find.bind(DeviceCode) as typeof DeviceCode.find;
  DeviceCode.find = async function findUnlessPolledTooOften(value: string, options?: object) {
    const code = (await find.call(DeviceCode, value, options)) as
      | InstanceType<typeof DeviceCode>
      | undefined;
    const oidc = Provider.ctx?.oidc;
    const polled = oidc?.route === 'token' && code?.clientId === oidc.client?.clientId;
    if (polled && code && !code.accountId && !code.error && !code.isExpired) {
      if (!(await isFirstPoll(db, value))) throw new errors.SlowDown();
    }
    return code;
  } as typeof DeviceCode.find;
}

/** Whether nobody polled with this code within the interval before. */
async function isFirstPoll(db: Db, deviceCode: string): Promise<boolean> {
  const id = hashToken(`poll ${deviceCode}`);
  return translated(insertArtifactOnce(db, 'DevicePoll', id, {}, INTERVAL));
}

/**
 * Counts the wrong codes that come from one address: user codes are short enough to be guessed, given
 * tries enough (RFC 8628 §5.1).
 */
export function throttleUserCodes(provider: Provider, db: Db): void {
  const { DeviceCode } = provider;
  const find = DeviceCode.findByUserCode.bind(DeviceCode);
  DeviceCode.findByUserCode = async (userCode, options) => {
    const code = await find(userCode, options);
    if (code === undefined && Provider.ctx) Provider.ctx.state.wrongUserCode = true;
    return code;
  };
  provider.use(async (ctx, next) => {
    if (ctx.method !== 'POST' || ctx.path !== '/device') return next();
    const key: ThrottleKey = { scope: 'address', id: `user code ${addressKey(ctx.ip).id}` };
    const reserved = await transaction(db, (trx) => reserve(trx, [key]));
    if (!reserved.ok) {
      throw new AppError('too_many_requests', { retryAfter: reserved.retryAfter });
    }
    await next();
    if (!ctx.state.wrongUserCode) await transaction(db, (trx) => takeBack(trx, [key]));
  });
}
