import type { Origin } from '../audit/events.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import { recordFactorChange } from '../mfa/notices.ts';
import { accountName } from '../users/identifiers.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import { type CodeMatch, createKey, matchCode } from './match-code.ts';
import { type ShownKey, showKey } from './show-key.ts';
import {
  findCredential,
  findEnrolment,
  insertCredential,
  keepEnrolment,
  removeEnrolments,
} from './store.ts';
import { openSecret, ourKey, sealSecret, secondsNow, type TotpParts } from './totp.ts';

/** Seconds in which a secret that was shown can be confirmed: time to find an app and install it. */
const ENROLMENT_TTL = 3600;

/** Where an app is set up: a sign-in or a session. */
export type Enrolment = {
  user: User;
  /** Uid of the interaction or session: what the secret is shown in, it has to be confirmed in. */
  uid: string;
  origin: Origin;
  /** Language of a mail to a person who set none. */
  locale: string;
};

export type EnrolOutcome =
  /** `again`: by the same form, sent before. */
  | { kind: 'done' }
  | { kind: 'again' }
  /** `expired`: another secret is shown by now. `exists`: they have an app. */
  | { kind: 'expired' | 'exists' }
  | Exclude<CodeMatch, { kind: 'right' }>;

/** The secret to put into an app, made when it is first asked for. It is worth nothing yet. */
export async function showEnrolment(
  parts: TotpParts,
  { user, uid }: Pick<Enrolment, 'user' | 'uid'>,
): Promise<ShownKey> {
  const { deps, productName } = parts;
  const made = sealSecret(parts, user.id, createKey(deps.randomBytes));
  const enrolment = { request: hashToken(uid), userId: user.id, secret: made };
  const kept = await transaction(deps.db, (trx) => keepEnrolment(trx, enrolment, ENROLMENT_TTL));
  return showKey(openSecret(parts, user.id, kept), productName, accountName(user));
}

/**
 * Turns an app on whose code proves that it has the secret. Tries aren't counted: who guesses has the
 * secret before them.
 *
 * @param proven what else belongs to it, in the same transaction.
 */
export async function confirmEnrolment(
  parts: TotpParts,
  enrolment: Enrolment,
  typed: string,
  proven: (trx: Trx) => Promise<void> = async () => {},
): Promise<EnrolOutcome> {
  const request = hashToken(enrolment.uid);
  const userId = enrolment.user.id;
  return transaction(parts.deps.db, async (trx) => {
    // Forms that are sent at once come one after the other.
    const user = await lockActiveUser(trx, userId);
    if (user === undefined) return { kind: 'expired' };
    const credential = await findCredential(trx, userId);
    if (credential !== undefined) {
      return { kind: credential.last_request?.equals(request) ? 'again' : 'exists' };
    }
    const sealed = await findEnrolment(trx, request, userId);
    if (sealed === undefined) return { kind: 'expired' };
    const match = matchCode(ourKey(openSecret(parts, userId, sealed)), typed, secondsNow(parts));
    if (match.kind !== 'right') return match;
    await insertCredential(trx, { userId, secret: sealed, step: match.step, request });
    await removeEnrolments(trx, userId);
    const by = { user, origin: enrolment.origin, locale: enrolment.locale };
    await recordFactorChange(trx, parts, by, { kind: 'added', factor: 'totp' });
    await proven(trx);
    return { kind: 'done' };
  });
}
