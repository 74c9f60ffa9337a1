import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import type { CreateUserInput } from '../../src/users/create-user.ts';
import type { User } from '../../src/users/store.ts';
import { PASSWORD, type TestApp } from '../support/app.ts';
import { startMailbox } from '../support/mailbox.ts';
import type { Page, Visitor } from '../support/visitor.ts';

/** Milliseconds; the queue looks for due jobs every five seconds at least. */
const SOON = { timeout: 15_000 };

/** A mailbox and a gateway of text messages, and what came to them. */
export type Messages = {
  /** Settings under which every second factor may be used, and browsers be remembered. */
  env: Record<string, string>;
  /** How many codes were sent to an address or number so far. */
  count: (to: string) => number;
  /** How many mails without a code came to an address so far. */
  mailsTo: (to: string) => number;
  /** The code that comes to an address or number after so many others. */
  code: (to: string, after?: number) => Promise<string>;
  stop: () => Promise<void>;
};

/** Starts both. */
export async function startMessages(): Promise<Messages> {
  const mailbox = await startMailbox();
  const texts: { to: string; text: string }[] = [];
  const gateway = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    texts.push(JSON.parse(body));
    res.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const { port } = gateway.address() as AddressInfo;
  const codes = (to: string): string[] => {
    const mails = mailbox.messages.filter(({ recipients }) => recipients.includes(to));
    const all = [...mails, ...texts.filter((one) => one.to === to)];
    return all.flatMap(({ text }) => /\b\d{8}\b/.exec(text ?? '')?.[0] ?? []);
  };
  return {
    env: {
      MFA_FACTORS: 'passkey,totp,sms,email',
      MFA_REMEMBER_DAYS: '30',
      SMTP_URL: mailbox.url,
      SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/sms`,
      SMS_WEBHOOK_SECRET: `whsec_${Buffer.from('a key of the gateway that is long').toString('base64')}`,
    },
    count: (to) => codes(to).length,
    mailsTo: (to) =>
      mailbox.messages.filter(
        ({ recipients, text }) => recipients.includes(to) && !/\b\d{8}\b/.test(text ?? ''),
      ).length,
    code: async (to, after = 0) => {
      await expect.poll(() => codes(to)[after], SOON).toBeDefined();
      return String(codes(to)[after]);
    },
    stop: async () => {
      gateway.close();
      await mailbox.stop();
    },
  };
}

/** Somebody with a proven address and number, who turned on the given channels. */
export async function createReader(
  app: TestApp,
  input: Partial<CreateUserInput> & { phone?: string; channels?: string[] },
): Promise<User> {
  const { phone, channels = [], ...rest } = input;
  const { db } = app.runtime.deps;
  const user = await app.createUser(rest);
  if (phone !== undefined)
    await db('users')
      .where({ id: user.id })
      .update({ phone_number: phone, phone_number_verified_at: db.fn.now() });
  for (const channel of channels) {
    // Before any sign-in, the moments of which are told in whole seconds.
    const created_at = db.raw("now() - interval '1 minute'");
    await db('message_factors').insert({ user_id: user.id, channel, created_at });
  }
  return db('users').where({ id: user.id }).first();
}

/** From an address to the page after the password. */
export async function pastPassword(
  visitor: Visitor,
  url: string,
  identifier: string,
  stopAt?: string,
): Promise<Page> {
  const login = await visitor.open(url);
  return visitor.submit(login, '/login', { identifier, password: PASSWORD }, stopAt);
}

/** Other digits than those that were sent. */
export function wrong(code: string): string {
  return code === '00000000' ? '00000001' : '00000000';
}
