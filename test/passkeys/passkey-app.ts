import { decodeJwt } from 'jose';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { type Authenticator, createAuthenticator, optionsIn } from '../support/authenticator.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  redeem,
} from '../support/authorization.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

export type Person = { email: string; user: User; authenticator: Authenticator };

/** Somebody at the page of their passkeys. */
export type AtPasskeys = Person & { visitor: Visitor; page: Page };

/** The server with a mailbox behind it, and people with passkeys. */
export async function startPasskeyApp(env: Record<string, string> = {}) {
  const mailbox: Mailbox = await startMailbox();
  const app: TestApp = await startApp({ SMTP_URL: mailbox.url, ...env });
  const client: Credentials = await app.createClient();
  let people = 0;

  const newPerson = async (input: Parameters<TestApp['createUser']>[0] = {}): Promise<Person> => {
    people += 1;
    const email = `person${people}@example.com`;
    const user = await app.createUser({ email, ...input });
    return { email, user, authenticator: createAuthenticator(new URL(app.issuer).origin) };
  };
  /** Signs somebody in at the page of their passkeys. */
  const atPasskeys = async (person: Person): Promise<AtPasskeys> => ({
    ...person,
    ...(await openAccount(app, person.email, '/account/passkeys')),
  });
  /** Somebody who just added a passkey at that page. */
  const withPasskey = async (
    quirks: Parameters<Authenticator['create']>[1] = {},
  ): Promise<AtPasskeys> => {
    const at = await atPasskeys(await newPerson());
    const page = await add(at, quirks);
    return { ...at, page };
  };
  return {
    app,
    mailbox,
    client,
    newPerson,
    atPasskeys,
    withPasskey,
    /** A browser at the sign-in page, and what that asks of the browser's passkeys. */
    atLogin: async (params: Record<string, string | undefined> = {}, visitor = createVisitor()) => {
      const page = await visitor.open(authorizationUrl(app, client.client.id, params));
      return { visitor, page, options: optionsOf(page) };
    },
    /** Claims of the ID token that a callback's code is worth. */
    claimsAt: async (page: Page) => {
      const { code = '' } = callbackParams(page.url);
      const tokens = (await (await redeem(app, client, code)).json()) as { id_token: string };
      return decodeJwt(tokens.id_token);
    },
    passkeysOf: ({ user }: Person) =>
      app.runtime.deps.db('passkeys').where({ user_id: user.id }).orderBy('created_at'),
    stop: async () => {
      await app.stop();
      await mailbox.stop();
    },
  };
}

export type PasskeyApp = Awaited<ReturnType<typeof startPasskeyApp>>;

/** Sends the form that adds a passkey. */
export function add(
  { visitor, page, authenticator }: AtPasskeys,
  quirks: Parameters<Authenticator['create']>[1] = {},
): Promise<Page> {
  const credential = JSON.stringify(authenticator.create(optionsOf(page), quirks));
  return visitor.submit(page, '/passkeys/add', { credential });
}

/** What the page asks of the browser; @throws where it asks nothing. */
export function optionsOf(page: Page) {
  const options = optionsIn(page);
  if (options === undefined) throw new Error(`no passkey is asked for on ${page.url}`);
  return options;
}

/** Answers the form of a sign-in page by passkey; ends at the app if that works. */
export function answer(
  { visitor, page }: { visitor: Visitor; page: Page },
  credential: unknown,
  fields: Record<string, string> = {},
): Promise<Page> {
  const all = { credential: JSON.stringify(credential), ...fields };
  return visitor.submit(page, '/passkey', all, CALLBACK);
}
