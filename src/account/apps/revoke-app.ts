import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { removeConsent } from '../../oidc-state/consents.ts';
import { endClientAccess } from '../../oidc-state/end.ts';

/**
 * Takes back what an app may do for a person: what they agreed to, its grants and its tokens.
 *
 * @returns whether there was anything to take back.
 */
export async function revokeApp(
  trx: Trx,
  origin: Origin,
  userId: string,
  clientId: string,
): Promise<boolean> {
  const agreed = await removeConsent(trx, userId, clientId);
  const granted = await endClientAccess(trx, userId, clientId);
  if (!agreed && !granted) return false;
  await record(trx, origin, { type: 'consent.revoked', userId, clientId });
  return true;
}
