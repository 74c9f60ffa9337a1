import type { Context, Next } from 'koa';
import { transaction } from '../../db/pool.ts';
import { readForm } from '../../http/form.ts';
import { requestDeletion } from '../../users/deletion.ts';
import { accountName } from '../../users/identifiers.ts';
import { findUser, type User } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';

const DAY = { style: 'unit', unit: 'day', unitDisplay: 'long' } as const;

/** How a person ends their account: what goes, what stays, and the way back. */
export function deletionPages(account: Account, parts: AccountParts): void {
  account.router.get('/deleted', (ctx) => {
    // Says what deletion means here, not whether anybody's account was deleted.
    parts.renderer.page(ctx, 'account-deleted', {
      time: graceOf(parts, ctx),
      signInUrl: account.pathOf(''),
    });
  });
  account.router.post('/delete', (ctx, next) => answerAgain(account, parts, ctx, next));
  account.page('/delete', { fresh: true }, async (visit) => showForm(parts, visit));
  account.action('/delete', { fresh: true }, async (visit, form) => {
    const { user, origin, ctx } = visit;
    if (!isNameOf(user, form.confirmation)) return showForm(parts, visit, 'confirmation');
    const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
    const days = parts.deletionGraceDays;
    const result = await transaction(parts.deps.db, (trx) =>
      requestDeletion(trx, tools, origin, user.id, days),
    );
    if (!result.ok) {
      const { reason } = result;
      const owned = reason === 'only_owner' ? result.organizations : [];
      return showForm(parts, visit, reason, owned);
    }
    parts.sessions.forget(ctx);
    return '/deleted';
  });
}

function showForm(
  parts: AccountParts,
  visit: Visit,
  error?: string,
  owned: readonly { slug: string; name: string }[] = [],
): undefined {
  const { user, ctx } = visit;
  const locals = {
    error,
    owned,
    name: accountName(user),
    time: graceOf(parts, ctx),
    person: user.id,
    proof: parts.csrf.token(bindingOf(user.id)),
  };
  visit.show('account-delete', locals, error === undefined ? 200 : 422);
  return undefined;
}

/** Days, as the language says them; undefined when accounts go at once. */
function graceOf({ deletionGraceDays, renderer }: AccountParts, ctx: Context): string | undefined {
  if (deletionGraceDays === 0) return undefined;
  return new Intl.NumberFormat(renderer.localeOf(ctx), DAY).format(deletionGraceDays);
}

function isNameOf(user: User, typed = ''): boolean {
  const tidy = (name: string) => name.normalize('NFKC').trim().toLowerCase();
  return tidy(typed) !== '' && tidy(typed) === tidy(accountName(user));
}

/**
 * The form ends the session that it was sent in, so that sent again it comes from nobody. It leads to
 * the same place then, if it is the form of somebody who has asked for deletion.
 */
async function answerAgain(
  account: Account,
  parts: AccountParts,
  ctx: Context,
  next: Next,
): Promise<void> {
  await next();
  const onward = String(ctx.response.headers.location ?? '');
  if (!onward.startsWith(`${parts.issuer}/authorize?`)) return;
  const { person = '', proof } = await readForm(ctx);
  if (!parts.csrf.isOurs(ctx, bindingOf(person), proof)) return;
  const user = await findUser(parts.deps.db, person);
  if (user !== undefined && user.delete_after === null) return;
  ctx.redirect(account.pathOf('/deleted'));
  ctx.status = 303;
}

function bindingOf(userId: string): string {
  return `deletion ${userId}`;
}
