import type { User } from '../users/store.ts';

/**
 * Whether a person may be offered to create a passkey in passing: they have none, and weren't asked
 * for a while.
 *
 * @param offerDays days between two offers; 0 for none ever.
 */
export function isOfferDue(
  { factors, passkey_offered_at }: Pick<User, 'factors' | 'passkey_offered_at'>,
  offerDays: number,
  now: Date,
): boolean {
  if (offerDays === 0 || factors.includes('passkey')) return false;
  if (passkey_offered_at === null) return true;
  return now.getTime() - passkey_offered_at.getTime() >= offerDays * 86_400_000;
}
