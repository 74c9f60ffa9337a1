import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Trx } from '../deps.ts';
import type { PageName } from '../http/render.ts';
import { originOf } from '../http/request-meta.ts';
import type { FactorPages, FactorSignIn, FactorStep } from '../mfa/factor.ts';
import { tellFactorChange } from '../mfa/notices.ts';
import type { User } from '../users/store.ts';
import { createPasskey } from './create-passkey.ts';
import { creationOptions, type PasskeyParts, requestOptions } from './relying-party.ts';
import { listPasskeys, noteOffer, type Passkey } from './store.ts';
import { type PasskeyOutcome, verifyPasskey } from './verify-passkey.ts';

export type PasskeyPagesParts = PasskeyParts & { signIn: FactorSignIn };

type Known = FactorStep & { user: User };
type Form = Record<string, string>;

/**
 * What passkeys bring to signing in, below /interaction/:uid:
 *
 *   login, password   a button, and the passkeys among what the browser fills in
 *   passkey           one of the person's own as second factor, or by itself where an app asks for it
 *   enrol-passkey     create one, where a second factor is required and they have none
 *   passkey-offer     create one in passing, or not (skip-passkey)
 */
export function passkeyPages(parts: PasskeyPagesParts): FactorPages {
  const { db } = parts.deps;
  const onSignIn = describeSignIn(parts);
  const onCreation = describeCreation(parts);
  return {
    pages: {
      passkey: async ({ uid, user }) => ({
        passkeyOptions: requestOptions(parts, uid, await listPasskeys(db, user.id)),
      }),
      'enrol-passkey': onCreation,
      'passkey-offer': onCreation,
    },
    additions: { login: onSignIn, password: onSignIn },
    actions: {
      passkey: { page: 'passkey', first: true, act: (step, form) => prove(parts, step, form) },
      'enrol-passkey': {
        page: 'enrol-passkey',
        act: (step, form) => enrol(parts, step, form, 'enrol-passkey'),
      },
      'passkey-offer': {
        page: 'passkey-offer',
        act: (step, form) => enrol(parts, step, form, 'passkey-offer'),
      },
      'skip-passkey': {
        page: 'passkey-offer',
        act: async ({ user }) => {
          if (user !== undefined) await transaction(db, (trx) => noteOffer(trx, user.id));
          return undefined;
        },
      },
    },
  };
}

function describeSignIn(parts: PasskeyPagesParts) {
  return async ({ uid, form }: FactorStep) => {
    const { rpId } = parts.relyingParty;
    const { unknown_passkey: credentialId } = form;
    return {
      passkeyOptions: requestOptions(parts, uid),
      // The password manager may forget one that is none of ours.
      ...(credentialId && { passkeySignals: { signalUnknownCredential: { rpId, credentialId } } }),
    };
  };
}

function describeCreation(parts: PasskeyPagesParts) {
  return async ({ uid, user }: Known) => {
    const existing = await listPasskeys(parts.deps.db, user.id);
    return { passkeyOptions: creationOptions(parts, uid, { user, existing }) };
  };
}

async function prove(
  parts: PasskeyPagesParts,
  step: FactorStep,
  { credential = '', remember }: Form,
): Promise<PageName | undefined> {
  const { ctx, uid, user } = step;
  return transaction(parts.deps.db, async (trx) => {
    const outcome = await verifyPasskey(trx, parts, { credential, request: uid, userId: user?.id });
    if (outcome.ok) {
      await parts.signIn.prove(ctx, trx, step, outcome.user, {
        factor: 'passkey',
        amr: methodsOf(outcome.passkey),
        ...(remember === 'yes' && { remember: true }),
      });
      return undefined;
    }
    // The same form sent before did what was to be done, and said what was wrong.
    return outcome.reason === 'used' ? undefined : refuse(trx, parts, step, outcome);
  });
}

type Refusal = Exclude<PasskeyOutcome, { ok: true } | { reason: 'used' }>;

const ERRORS = {
  expired: 'passkey_expired',
  unknown: 'passkey_unknown',
  wrong: 'passkey_wrong',
  suspended: 'passkey_wrong',
  suspicious: 'passkey_suspicious',
} as const;

async function refuse(
  trx: Trx,
  parts: PasskeyPagesParts,
  step: FactorStep,
  outcome: Refusal,
): Promise<PageName> {
  await note(trx, parts, step, outcome);
  const known = step.user !== undefined;
  await parts.signIn.change(trx, step.uid, {
    error: ERRORS[outcome.reason],
    error_page: known ? 'passkey' : null,
    retry_after: null,
    ...(outcome.reason === 'unknown' &&
      !known && { form: { unknown_passkey: outcome.credentialId } }),
  });
  return known ? 'passkey' : 'login';
}

/** What isn't even the answer of a passkey is no try to sign in. */
async function note(
  trx: Trx,
  parts: PasskeyPagesParts,
  { ctx, clientId }: FactorStep,
  outcome: Refusal,
): Promise<void> {
  const origin = originOf(ctx);
  if (outcome.reason === 'suspicious') {
    const { user, passkey } = outcome;
    const type = 'passkey.counter_regressed';
    await record(trx, origin, { type, userId: user.id, clientId });
    const notice = { kind: 'passkey-suspicious', name: passkey.name } as const;
    await tellFactorChange(trx, parts, user, notice, parts.localeOf(ctx));
    return;
  }
  const userId = 'userId' in outcome ? outcome.userId : undefined;
  if (userId === undefined && outcome.reason !== 'unknown') return;
  const reason = outcome.reason === 'suspended' ? 'suspended' : 'wrong_passkey';
  const who = userId === undefined ? {} : { userId };
  await record(trx, origin, { type: 'sign_in.failed', ...who, clientId, data: { reason } });
}

async function enrol(
  parts: PasskeyPagesParts,
  step: FactorStep,
  { credential = '' }: Form,
  page: PageName,
): Promise<PageName | undefined> {
  const { ctx, uid, user } = step;
  if (user === undefined) return undefined;
  return transaction(parts.deps.db, async (trx) => {
    const locale = parts.localeOf(ctx);
    const made = { userId: user.id, request: uid, credential, locale };
    const outcome = await createPasskey(trx, parts, originOf(ctx, `user:${user.id}`), made);
    if (outcome.ok) {
      if (page === 'passkey-offer') await noteOffer(trx, user.id);
      await parts.signIn.prove(ctx, trx, step, user, {
        factor: 'passkey',
        amr: methodsOf(outcome.passkey),
        enrolled: true,
      });
      return undefined;
    }
    if (outcome.reason === 'used') return undefined;
    const change = { error: outcome.reason, error_page: page, retry_after: null };
    await parts.signIn.change(trx, uid, change);
    return page;
  });
}

/** RFC 8176: a key that may be on several devices is in software; `user` is user verification. */
function methodsOf({ backup_eligible }: Pick<Passkey, 'backup_eligible'>): string[] {
  return [backup_eligible ? 'swk' : 'hwk', 'user'];
}
