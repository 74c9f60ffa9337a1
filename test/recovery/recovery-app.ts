import type { User } from '../../src/users/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';

/** A password that meets the rules and isn't the one that test users begin with. */
export const NEW_PASSWORD = 'copper-lantern-drifts-77';

export type RecoveryApp = {
  app: TestApp;
  mailbox: Mailbox;
  clientId: string;
  /** An address that nobody has. */
  newAddress: () => string;
  /** A person with an address, a username if given, and {@link PASSWORD}. */
  createPerson: (input?: { username?: string }) => Promise<{ email: string; user: User }>;
  /** Signs in to the app; ends at its callback if that works. */
  signIn: (identifier: string, password: string, visitor?: Visitor) => Promise<Page>;
  /** A visitor at the sign-in page of the app. */
  openSignIn: (visitor?: Visitor) => Promise<{ visitor: Visitor; page: Page }>;
  /** Says that the password is forgotten; the visitor is at the page that follows. */
  forget: (
    identifier: string,
    visitor?: Visitor,
  ) => Promise<{ visitor: Visitor; page: Page; uid: string }>;
  /** The same for an account that has this address; gives the link that is mailed. */
  mailedLink: (email: string, visitor?: Visitor) => Promise<string>;
  stop: () => Promise<void>;
};

/** The server with a mailbox behind it. */
export async function startRecoveryApp(env: Record<string, string> = {}): Promise<RecoveryApp> {
  const mailbox = await startMailbox();
  const app = await startApp({ SMTP_URL: mailbox.url, EMAIL_SIGN_IN: 'true', ...env });
  const { client } = await app.createClient();
  let addresses = 0;
  const openSignIn: RecoveryApp['openSignIn'] = async (visitor = createVisitor()) => ({
    visitor,
    page: await visitor.open(authorizationUrl(app, client.id, { prompt: 'login' })),
  });
  const forget: RecoveryApp['forget'] = async (identifier, given) => {
    const { visitor, page } = await openSignIn(given);
    const asking = await visitor.open(`${page.url}/reset-password`);
    const sent = await visitor.submit(asking, '/reset-password', { identifier });
    return { visitor, page: sent, uid: page.url.split('/').at(-1) ?? '' };
  };
  const newAddress = () => {
    addresses += 1;
    return `person${addresses}@example.com`;
  };
  return {
    app,
    mailbox,
    clientId: client.id,
    newAddress,
    createPerson: async (input = {}) => {
      const email = newAddress();
      return { email, user: await app.createUser({ email, ...input }) };
    },
    signIn: (identifier, password, visitor = createVisitor()) =>
      visitor.signIn(authorizationUrl(app, client.id), CALLBACK, { identifier, password }),
    openSignIn,
    forget,
    mailedLink: async (email, visitor) => {
      const after = mailbox.messages.length;
      await forget(email, visitor);
      return linkIn(await mailbox.waitFor(email, { after }));
    },
    stop: async () => {
      await app.stop();
      await mailbox.stop();
    },
  };
}

/** Follows a link and chooses a password. */
export async function choosePassword(
  link: string,
  password = NEW_PASSWORD,
  visitor = createVisitor(),
): Promise<Page> {
  const page = await visitor.open(link);
  if (pageName(page) !== 'reset-password-new') throw new Error(`${page.status}: ${page.html}`);
  return visitor.submit(page, new URL(link).pathname, { new_password: password });
}

/** Presses a button of a form that has an address of its own (formaction). */
export function press(
  visitor: Visitor,
  page: Page,
  form: string,
  button: string,
  fields: Record<string, string>,
  stopAt?: string,
): Promise<Page> {
  const action = new RegExp(`formaction="([^"]*/${button})"`).exec(page.html)?.[1];
  if (action === undefined) throw new Error(`no button to ${button} on ${page.url}`);
  const body = new URLSearchParams({ ...findForm(page, form).hidden, ...fields });
  return visitor.open(new URL(action, page.url).href, stopAt, { method: 'POST', body });
}
