import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { Trx } from '../deps.ts';
import { removeTrustedDevices } from '../devices/store.ts';
import type { Mailer } from '../mail/mail.ts';
import { tellFactorChange } from '../mfa/notices.ts';
import { triesKey } from '../mfa/tries.ts';
import { endUserState } from '../oidc-state/end.ts';
import { removeMessageFactor } from '../one-time-codes/store.ts';
import { removePasskeys } from '../passkeys/store.ts';
import { removeDrafts, removeRecoveryCodes } from '../recovery-codes/store.ts';
import { release } from '../throttle/throttle.ts';
import { removeCredential, removeEnrolments } from '../totp/store.ts';
import { lockUser, type User } from '../users/store.ts';

/**
 * What of a person can be reset, by the names that are recorded and told. Recovery codes first: where
 * the last factor goes they go with it, and nobody would have heard of them.
 */
export const RESETTABLE = ['recovery-codes', 'passkey', 'totp', 'sms', 'email'] as const;
export type Resettable = (typeof RESETTABLE)[number];

/** How each is taken away; each says whether there was any. */
const REMOVALS: Record<Resettable, (trx: Trx, userId: string) => Promise<boolean>> = {
  totp: async (trx, userId) => {
    await removeEnrolments(trx, userId);
    return removeCredential(trx, userId);
  },
  passkey: async (trx, userId) => (await removePasskeys(trx, userId)) > 0,
  sms: (trx, userId) => removeMessageFactor(trx, userId, 'sms'),
  email: (trx, userId) => removeMessageFactor(trx, userId, 'email'),
  'recovery-codes': async (trx, userId) => {
    await removeDrafts(trx, userId);
    return (await removeRecoveryCodes(trx, userId)) > 0;
  },
};

/**
 * Takes away what a person proves themselves with beside their password, for who lost it: they are
 * signed out everywhere, no browser is remembered, wrong codes of before count no longer, and they are
 * told by mail. Where policy asks for a second factor, they turn one on when they next sign in.
 *
 * @param which what is taken away.
 * @param kind who did it, as they are told: an administrator, or somebody who waited for it.
 * @returns what of that there was. Where there was nothing, nothing has changed but that count.
 */
export async function resetMfa(
  trx: Trx,
  tools: { mailer: Mailer; issuer: string; locale?: string },
  origin: Origin,
  user: User,
  which: readonly Resettable[] = RESETTABLE,
  kind: 'reset' | 'recovered' = 'reset',
): Promise<Resettable[]> {
  const { id } = user;
  // First, as whoever types a code does; then the person, as those do who change a factor: of two at
  // once neither waits for the other.
  await release(trx, [await triesKey(trx, id, undefined)]);
  if ((await lockUser(trx, id)) === undefined) return [];
  const factors: Resettable[] = [];
  for (const name of which) {
    if (await REMOVALS[name](trx, id)) factors.push(name);
  }
  if (factors.length === 0) return [];
  await endUserState(trx, id);
  await removeTrustedDevices(trx, id);
  await record(trx, origin, { type: 'mfa.reset', userId: id, data: { factors } });
  await tellFactorChange(trx, tools, user, { kind }, tools.locale ?? 'en');
  return factors;
}
