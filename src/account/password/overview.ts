import { listTrustedDevices } from '../../devices/store.ts';
import type { FactorSummary } from '../../mfa/factor.ts';
import { momentFormat } from '../../users/moments.ts';
import type { User } from '../../users/store.ts';
import type { AccountParts, Visit } from '../account.ts';

/** A row of the page that lists how a person signs in. */
export type Method = {
  factor: FactorSummary['factor'];
  on: boolean;
  number: number | undefined;
  lastUsed: string | null | undefined;
  path: string;
};

/** What a person signs in with beside their password, as far as it is there or may be. */
export async function listMethods(
  parts: AccountParts,
  { ctx, user }: Pick<Visit, 'ctx' | 'user'>,
): Promise<Method[]> {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const summaries = await Promise.all(parts.factors.map(({ summary }) => summary(user)));
  const all = [...summaries.flat(), ...(await summariseDevices(parts, user))];
  return all
    .filter((summary) => isShown(parts, user, summary))
    .map(({ factor, on, count, lastUsed, path }) => ({
      factor,
      on,
      number: on ? count : undefined,
      lastUsed: lastUsed && say(lastUsed),
      path,
    }));
}

/** Where no second factor is ever asked for, only passkeys are worth setting up. */
function isShown({ mfa }: AccountParts, user: User, { factor, on }: FactorSummary): boolean {
  return on || user.administrator || factor === 'passkey' || mfa.policy !== 'off';
}

async function summariseDevices(parts: AccountParts, user: User): Promise<FactorSummary[]> {
  const devices = await listTrustedDevices(parts.deps.db, user.id);
  if (devices.length === 0 && (parts.mfa.rememberDays === 0 || user.administrator)) return [];
  return [
    {
      factor: 'trusted-devices',
      on: devices.length > 0,
      count: devices.length,
      lastUsed: devices[0]?.last_used_at ?? null,
      path: '/devices',
    },
  ];
}
