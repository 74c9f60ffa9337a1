import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Db, Trx } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { FactorAccount, FactorSummary, FactorVisit } from '../mfa/factor.ts';
import { mustKeep } from '../mfa/must-keep.ts';
import { recordFactorChange } from '../mfa/notices.ts';
import { momentFormat } from '../users/moments.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import { tidyName } from './authenticators.ts';
import { createPasskey, MAX_PASSKEYS } from './create-passkey.ts';
import { CREDENTIAL_ID } from './read-credential.ts';
import { creationOptions, type PasskeyParts, signalsFor } from './relying-party.ts';
import { deletePasskey, findPasskey, listPasskeys, type Passkey, renamePasskey } from './store.ts';

export type PasskeyAccountParts = PasskeyParts & {
  /** Whether a person has a password; joined in app.ts. */
  hasPassword: (db: Db, userId: string) => Promise<boolean>;
};

/** What is wrong, and of which passkey. */
type Problem = { key: string; passkey?: string };

/**
 * A person's passkeys, below /account/passkeys: the list, /add, /rename and /remove. All of it needs a
 * recent sign-in.
 */
export function passkeyAccount(account: FactorAccount, parts: PasskeyAccountParts): void {
  const { db } = parts.deps;
  const options = { fresh: true, back: '/passkeys' };
  account.page('/passkeys', { fresh: true }, (visit) => show(parts, visit));
  account.action('/passkeys/add', options, async (visit, form) => {
    const { user, session, origin, ctx } = visit;
    const { credential = '' } = form;
    const made = { userId: user.id, request: session.uid, credential, locale: parts.localeOf(ctx) };
    const outcome = await transaction(db, (trx) => createPasskey(trx, parts, origin, made));
    // The same form may be sent twice.
    if (outcome.ok || ('added' in outcome && outcome.added)) return '/passkeys?done=passkey_added';
    await show(parts, visit, { key: outcome.reason });
    return undefined;
  });
  account.action('/passkeys/rename', options, (visit, form) => rename(parts, visit, form));
  account.action('/passkeys/remove', options, async (visit, form) => {
    const id = form.passkey ?? '';
    const problem = await transaction(db, (trx) => removePasskey(trx, parts, visit, id));
    if (problem === undefined) return `/passkeys?done=passkey_removed&gone=${id}`;
    await show(parts, visit, { key: problem, passkey: id });
    return undefined;
  });
}

async function rename(
  parts: PasskeyAccountParts,
  visit: FactorVisit,
  { name: typed = '', passkey: id = '' }: Record<string, string>,
): Promise<string | undefined> {
  const { user, origin } = visit;
  const name = tidyName(typed);
  await transaction(parts.deps.db, async (trx) => {
    const passkey = await findOwn(trx, user, id);
    if (passkey === undefined) throw new AppError('not_found');
    if (name !== '' && (await renamePasskey(trx, passkey.id, name))) {
      await record(trx, origin, { type: 'passkey.renamed', userId: user.id });
    }
  });
  if (name !== '') return '/passkeys?done=passkey_renamed';
  await show(parts, visit, { key: 'name', passkey: id });
  return undefined;
}

/** The row of passkeys on the page that lists how a person signs in. */
export async function passkeySummary(db: Db, user: User): Promise<FactorSummary> {
  const passkeys = await listPasskeys(db, user.id);
  const used = passkeys.flatMap(({ last_used_at }) => last_used_at ?? []);
  return {
    factor: 'passkey',
    on: passkeys.length > 0,
    count: passkeys.length,
    lastUsed: used.toSorted((a, b) => b.getTime() - a.getTime())[0] ?? null,
    path: '/passkeys',
  };
}

async function show(
  parts: PasskeyAccountParts,
  visit: FactorVisit,
  error?: Problem,
): Promise<void> {
  const { ctx, user, session } = visit;
  const { db } = parts.deps;
  const passkeys = await listPasskeys(db, user.id);
  const { gone } = ctx.query;
  // Only of one that nobody has: an address must not make a password manager forget any other.
  const isGone =
    typeof gone === 'string' &&
    CREDENTIAL_ID.test(gone) &&
    (await findPasskey(db, gone)) === undefined;
  const locals = {
    error,
    passkeys: passkeys.map(describePasskey(momentFormat(parts.localeOf(ctx), user))),
    passkeySignals: signalsFor(parts, user, passkeys, isGone ? gone : undefined),
    passkeyOptions:
      passkeys.length < MAX_PASSKEYS
        ? creationOptions(parts, session.uid, { user, existing: passkeys })
        : undefined,
  };
  visit.show('account-passkeys', locals, error === undefined ? 200 : 422);
}

function describePasskey(say: (moment: Date) => string) {
  return (passkey: Passkey) => ({
    id: passkey.credential_id,
    name: passkey.name,
    created: say(passkey.created_at),
    lastUsed: passkey.last_used_at && say(passkey.last_used_at),
    kept: passkey.backed_up ? 'synced' : passkey.backup_eligible ? 'not_yet' : 'one_device',
  });
}

/** Nobody learns anything of one that is somebody else's. */
async function findOwn(trx: Trx, user: User, credentialId: string): Promise<Passkey | undefined> {
  if (!CREDENTIAL_ID.test(credentialId)) throw new AppError('not_found');
  const passkey = await findPasskey(trx, credentialId);
  if (passkey !== undefined && passkey.user_id !== user.id) throw new AppError('not_found');
  return passkey;
}

/**
 * Deletes a passkey. One that is gone already stays so: the same form may be sent twice.
 *
 * @returns why not, where it is needed.
 */
async function removePasskey(
  trx: Trx,
  parts: PasskeyAccountParts,
  { ctx, user: visitor, origin }: FactorVisit,
  credentialId: string,
): Promise<'last_factor' | 'last_way' | undefined> {
  const user = await lockActiveUser(trx, visitor.id);
  if (user === undefined) throw new AppError('not_found');
  const passkey = await findOwn(trx, user, credentialId);
  if (passkey === undefined) return undefined;
  if ((await listPasskeys(trx, user.id)).length === 1) {
    const needed = await whatNeeds(trx, parts, user);
    if (needed !== undefined) return needed;
  }
  await deletePasskey(trx, passkey.id);
  const by = { user, origin, locale: parts.localeOf(ctx) };
  await recordFactorChange(trx, parts, by, { kind: 'removed', factor: 'passkey' });
  return undefined;
}

/**
 * Why a person can't do without their last passkey: policy asks them for a second factor and they have
 * no other, or they would have neither a password nor a mailbox to get a new one by.
 */
async function whatNeeds(
  trx: Trx,
  { mfa, mailer, hasPassword }: PasskeyAccountParts,
  user: User,
): Promise<'last_factor' | 'last_way' | undefined> {
  if (mustKeep(mfa, user, 'passkey')) return 'last_factor';
  const reachable = user.email !== null && mailer.enabled;
  return reachable || (await hasPassword(trx, user.id)) ? undefined : 'last_way';
}
