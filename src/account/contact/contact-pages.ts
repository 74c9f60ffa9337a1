import type { PageName } from '../../http/render.ts';
import type { User } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { unknownField } from '../unknown-fields.ts';
import {
  type CodeMessage,
  enterCode,
  findPending,
  type Problem,
  type ProvenAddress,
  sendCode,
} from './contact-code.ts';

/** A way to reach somebody, which they change by proving the new address: a mailbox, a phone. */
export type Contact = ProvenAddress & {
  /** Below /account; the code's page is at `/code` below it. */
  path: string;
  /** The form's name of the address, also of what is said to be done. */
  field: string;
  pages: { form: PageName; code: PageName };
  /** False where nothing can be sent. */
  isOffered: () => boolean;
  /** The one form of an address; undefined for what is none. */
  canonical: (typed: string) => string | undefined;
  /** What the form shows of what was typed and what is known. */
  describe: (user: User, typed: string | undefined) => Record<string, unknown>;
  /** How a code is sent, and by what that is counted. */
  message: (visit: Visit, address: string) => CodeMessage | Promise<CodeMessage>;
};

/** The pages on which an address is changed, and the code that was sent to it is typed. */
export function contactPages(account: Account, parts: AccountParts, contact: Contact): void {
  const { path, field, pages } = contact;
  const { db } = parts.deps;
  const show = (visit: Visit, typed?: string, error?: Problem): undefined => {
    const locals = { error, ...contact.describe(visit.user, typed) };
    visit.show(pages.form, locals, error === undefined ? 200 : 422);
  };
  const showCode = (visit: Visit, address: string | undefined, error?: Problem): undefined => {
    const action = account.pathOf(`${path}/code`);
    visit.show(pages.code, { error, address, action }, error === undefined ? 200 : 422);
  };
  const send = async (visit: Visit, address: string): Promise<Problem | undefined> =>
    sendCode(parts, visit, contact, await contact.message(visit, address));

  account.page(path, { fresh: true }, async (visit) => show(visit));
  account.action(path, { fresh: true }, async (visit, form) => {
    const unknown = unknownField(form, [field]);
    if (unknown !== undefined) return show(visit, '', { key: 'unknown_field', field: unknown });
    const typed = form[field] ?? '';
    const address = contact.canonical(typed);
    if (!contact.isOffered() || address === undefined)
      return show(visit, typed, { key: 'invalid' });
    if (contact.isApplied(visit.user, address)) return show(visit, typed, { key: 'unchanged' });
    const problem = await send(visit, address);
    return problem === undefined ? `${path}/code` : show(visit, typed, problem);
  });

  account.page(`${path}/code`, {}, async (visit) => {
    const address = await findPending(db, contact.purpose, visit);
    // Without a code there is nothing to type, and none is sent without a fresh sign-in.
    if (address === undefined) visit.ctx.redirect(account.pathOf(path));
    else showCode(visit, address);
  });
  account.action(`${path}/code`, {}, async (visit, form) => {
    const unknown = unknownField(form, ['code']);
    const problem =
      unknown === undefined
        ? await enterCode(parts, visit, contact, form.code ?? '')
        : { key: 'unknown_field', field: unknown };
    if (problem === undefined) return `?done=${field}`;
    return showCode(visit, await findPending(db, contact.purpose, visit), problem);
  });
  account.action(`${path}/resend`, { back: `${path}/code` }, async (visit) => {
    const address = await findPending(db, contact.purpose, visit);
    if (address === undefined) return path;
    const problem = await send(visit, address);
    return problem === undefined ? `${path}/code?done=code` : showCode(visit, address, problem);
  });
}
