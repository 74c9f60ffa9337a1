import type { Context, Next } from 'koa';
import { AppError } from '../../../errors.ts';
import { readForm } from '../../../http/form.ts';
import { type Account, type AccountParts, seeOther, type Visit } from '../../account.ts';

/** A form that takes whoever sends it out of the organization, or of what they may do there. */
export type LastForm = {
  /** Its path below the organization's own. */
  path: string;
  /** The page below /account that it leads to. */
  onward: string;
  /** Whether what it is for has happened. */
  isDone: (sent: {
    organizationId: string;
    userId: string;
    form: Record<string, string>;
  }) => Promise<boolean>;
};

/**
 * Sent again, such a form comes from somebody who may not send it. It leads to the same place then, if
 * it was shown to them, and what it is for has happened.
 */
export function answerAgain(account: Account, parts: AccountParts, last: LastForm): void {
  account.router.post(
    `/organizations/:organization${last.path}`,
    async (ctx: Context, next: Next) => {
      try {
        await next();
      } catch (error) {
        if (!(error instanceof AppError) || !/^(not_found|forbidden)$/.test(error.code))
          throw error;
        const session = await parts.sessions.find(ctx);
        const form = await readForm(ctx);
        const organizationId = String(ctx.params.organization);
        if (session === undefined) throw error;
        const { userId } = session;
        const binding = bindingOf(last.path, organizationId, userId);
        if (!parts.csrf.isOurs(ctx, binding, form.proof)) throw error;
        if (!(await last.isDone({ organizationId, userId, form }))) throw error;
        seeOther(ctx, account.pathOf(last.onward));
      }
    },
  );
}

/** What such a form carries, to be known again. */
export function proofOf(
  { csrf }: Pick<AccountParts, 'csrf'>,
  path: string,
  organizationId: string,
  { user }: Pick<Visit, 'user'>,
): string {
  return csrf.token(bindingOf(path, organizationId, user.id));
}

function bindingOf(path: string, organizationId: string, userId: string): string {
  return `organization${path} ${organizationId} ${userId}`;
}
