import type { Db } from '../../../deps.ts';
import { listTrustedDevices } from '../../../devices/store.ts';
import { listMessageFactors } from '../../../one-time-codes/store.ts';
import { listPasskeys } from '../../../passkeys/store.ts';
import { findCodesFacts } from '../../../recovery-codes/store.ts';
import { findCredential } from '../../../totp/store.ts';

/** A second factor as commands print one. */
export type FactorFacts = {
  factor: string;
  /** What the person calls it, where there can be many. */
  name?: string;
  created_at: Date;
  last_used_at: Date | null;
};

/** What somebody proves themselves with beside a password. */
export type MfaFacts = {
  factors: FactorFacts[];
  recovery_codes: { left: number; created_at: Date | null; last_used_at: Date | null };
  remembered_browsers: number;
};

/** What a person has of second factors, and when each was last used. */
export async function describeFactors(db: Db, userId: string): Promise<MfaFacts> {
  const app = await findCredential(db, userId);
  const passkeys = await listPasskeys(db, userId);
  const messages = await listMessageFactors(db, userId);
  const codes = await findCodesFacts(db, userId);
  return {
    factors: [
      ...(app === undefined ? [] : [{ factor: 'totp', ...datesOf(app) }]),
      ...passkeys.map((one) => ({ factor: 'passkey', name: one.name, ...datesOf(one) })),
      ...messages.map((one) => ({ factor: one.channel, ...datesOf(one) })),
    ],
    recovery_codes: {
      left: codes.left,
      created_at: codes.createdAt,
      last_used_at: codes.lastUsedAt,
    },
    remembered_browsers: (await listTrustedDevices(db, userId)).length,
  };
}

/** The same for people, a line a factor. */
export function factorLines({ factors, recovery_codes, remembered_browsers }: MfaFacts): string[] {
  const lines = factors.map(({ factor, name, created_at, last_used_at }) => {
    const called = name === undefined ? factor : `${factor} "${name}"`;
    const used = last_used_at === null ? 'never used' : `last used ${say(last_used_at)}`;
    return `${called}, added ${say(created_at)}, ${used}`;
  });
  if (recovery_codes.created_at !== null) lines.push(`recovery codes left: ${recovery_codes.left}`);
  if (remembered_browsers > 0) lines.push(`browsers remembered: ${remembered_browsers}`);
  return lines.length === 0 ? ['no second factor'] : lines;
}

function datesOf({ created_at, last_used_at }: Omit<FactorFacts, 'factor'>) {
  return { created_at, last_used_at };
}

function say(moment: Date): string {
  return moment.toISOString().replace(/\.\d+Z$/, 'Z');
}
