import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import type { Mailer } from '../../mail/mail.ts';
import { tellFactorChange } from '../../mfa/notices.ts';
import type { User } from '../../users/store.ts';
import { cancelRecovery } from './store.ts';

/**
 * Calls off the recovery of a person, if one is under way, and tells them: by the link that was sent
 * to them, from their account, or because they signed in with what they were said to have lost.
 */
export async function cancelFactorRecovery(
  trx: Trx,
  tools: { mailer: Mailer; issuer: string; locale: string },
  origin: Origin,
  user: User,
): Promise<void> {
  if (!(await cancelRecovery(trx, user.id))) return;
  await record(trx, origin, { type: 'mfa.recovery_cancelled', userId: user.id });
  await tellFactorChange(trx, tools, user, { kind: 'recovery-cancelled' }, tools.locale);
}
