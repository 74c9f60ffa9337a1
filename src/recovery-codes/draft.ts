import type { Context } from 'koa';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { DerivedKey } from '../crypto/keyring.ts';
import { open, seal } from '../crypto/secret-box.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Deps } from '../deps.ts';
import type { Renderer } from '../http/render.ts';
import type { Mailer } from '../mail/mail.ts';
import { tellFactorChange } from '../mfa/notices.ts';
import { accountName } from '../users/identifiers.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import { createCodes, hashCode } from './codes.ts';
import { findDraft, isConfirmed, keepDraft, removeDrafts, replaceCodes } from './store.ts';

export type RecoveryCodeParts = {
  deps: Deps;
  /** Encrypt codes that are shown and not confirmed yet; the first is current. */
  boxKeys: readonly DerivedKey[];
  renderer: Pick<Renderer, 'localeOf'>;
  mailer: Mailer;
  issuer: string;
};

/** Seconds for which codes that were shown can be confirmed. */
const TTL = 3600;

/** Codes as a page shows them, and by what its form names them. */
export type Draft = {
  codes: string[];
  draft: string;
  /** Whose they are and of when, for the sheet that is kept. */
  account: string;
  date: string;
};

/**
 * New codes for a person, the same ones as long as they look at them in one sign-in or session. They
 * are worth nothing before it is confirmed that they were kept.
 *
 * @param uid of the interaction or session.
 */
export async function showDraft(
  { deps, boxKeys, renderer }: RecoveryCodeParts,
  { ctx, user, uid }: { ctx: Context; user: User; uid: string },
): Promise<Draft> {
  const made = JSON.stringify(createCodes(deps.randomBytes));
  const draft = {
    request: hashToken(uid),
    userId: user.id,
    codes: seal(boxKeys, contextOf(user.id), made),
  };
  const kept = await transaction(deps.db, (trx) => keepDraft(trx, draft, TTL));
  const codes: string[] = JSON.parse(open(boxKeys, contextOf(user.id), kept));
  const date = new Intl.DateTimeFormat(renderer.localeOf(ctx), { dateStyle: 'long' });
  const account = accountName(user);
  return { codes, draft: nameOf(codes), account, date: date.format(deps.now()) };
}

/**
 * Puts the codes that were shown in place of those before. The same form sent again finds that done.
 *
 * @param named the codes, as the form has it: only those that the person saw are taken.
 * @returns false when others are shown by now.
 */
export async function confirmDraft(
  parts: RecoveryCodeParts,
  {
    user: { id },
    uid,
    origin,
    locale,
  }: { user: User; uid: string; origin: Origin; locale: string },
  named: string,
): Promise<boolean> {
  const { boxKeys } = parts;
  return transaction(parts.deps.db, async (trx) => {
    const user = await lockActiveUser(trx, id);
    // Of who has no factor they would open nothing yet, and later what is turned on by then.
    if (user === undefined || user.factors.length === 0) return false;
    const request = hashToken(uid);
    const sealed = await findDraft(trx, request, id);
    if (sealed === undefined) return isConfirmed(trx, id, request);
    const codes: string[] = JSON.parse(open(boxKeys, contextOf(id), sealed));
    if (nameOf(codes) !== named) return false;
    await replaceCodes(trx, id, codes.map(hashCode), request);
    await removeDrafts(trx, id);
    await record(trx, origin, { type: 'recovery_codes.created', userId: id });
    await tellFactorChange(trx, parts, user, { kind: 'recovery-codes-created' }, locale);
    return true;
  });
}

function nameOf([first = '']: string[]): string {
  return hashCode(first).toString('base64url');
}

function contextOf(userId: string): string {
  return `recovery codes ${userId}`;
}
