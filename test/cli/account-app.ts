import { expect } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { alertText, createVisitor, type Visitor } from '../support/visitor.ts';
import { ACTOR, expectFailure, plintoOn } from './plinto.ts';

/** A server with a mailbox, and the command line beside it. */
export type AccountApp = {
  app: TestApp;
  mailbox: Mailbox;
  /** `plinto user …` with the settings of the server. */
  user: ReturnType<typeof plintoOn>;
  /** An app that people sign in to. */
  clientId: string;
  signIn: (identifier: string, password?: string, visitor?: Visitor) => Promise<string | undefined>;
  /** Whether a browser that was signed in still is. */
  isSignedIn: (visitor: Visitor) => Promise<boolean>;
  find: (id: string) => Promise<User | undefined>;
  /** What the log says that the command line did to a user. */
  auditedOf: (id: string) => Promise<{ type: string; data: unknown }[]>;
  /** Expects that the command line says why it can't, and that nothing has changed. */
  expectRefusal: (
    args: string[],
    says: string | RegExp,
    env?: Record<string, string>,
  ) => Promise<void>;
  stop: () => Promise<void>;
};

export async function startAccountApp(settings: Record<string, string> = {}): Promise<AccountApp> {
  const mailbox = await startMailbox();
  const env = { SMTP_URL: mailbox.url, ...settings };
  const app = await startApp(env);
  const { db } = app.runtime.deps;
  const on = (more: Record<string, string>) =>
    plintoOn(app.database, { ISSUER: app.issuer, ...env, ...more });
  const { client } = await app.createClient({ name: 'Notes' });
  const snapshot = () =>
    Promise.all([
      db('users').orderBy('id'),
      db('passwords').orderBy('user_id'),
      db('audit_events').orderBy('id'),
      db('one_time_codes').orderBy('id'),
    ]);
  const user: AccountApp['user'] = (args, input) => on({})(['user', ...args], input);
  return {
    app,
    mailbox,
    user,
    clientId: client.id,
    signIn: async (identifier, password = PASSWORD, visitor = createVisitor()) => {
      const url = authorizationUrl(app, client.id);
      const page = await visitor.signIn(url, CALLBACK, { identifier, password });
      return page.url.startsWith(CALLBACK) ? 'signed in' : alertText(page);
    },
    isSignedIn: async (visitor) => {
      const url = authorizationUrl(app, client.id, { prompt: 'none' });
      return new URL((await visitor.open(url, CALLBACK)).url).searchParams.has('code');
    },
    find: (id) => db('users').where({ id }).first(),
    auditedOf: (id) =>
      db('audit_events').where({ user_id: id, actor: ACTOR }).orderBy('id').select('type', 'data'),
    expectRefusal: async (args, says, more = {}) => {
      const before = await snapshot();
      await expectFailure(on(more)(['user', ...args]), says);
      expect(await snapshot()).toEqual(before);
    },
    stop: async () => {
      await app.stop();
      await mailbox.stop();
    },
  };
}
