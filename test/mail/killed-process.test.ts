import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { createLogger, openRuntime, type Runtime } from '../../src/runtime.ts';
import { SECRET } from '../support/app.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';
import { codeIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { codeMail, queuedMails, queueMail } from './queue.ts';

const ISSUER = 'http://localhost:9';
const RECIPIENTS = ['ada', 'grace', 'joan', 'mary'].map((name) => `${name}@example.com`);

let database: TestDatabase;
let runtime: Runtime;
let mailbox: Mailbox;
const running: ServerProcess[] = [];

beforeAll(async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url, PLINTO_SECRET: SECRET, ISSUER };
  runtime = await openRuntime(parseConfig(env), createLogger('silent'));
  mailbox = await startMailbox();
});
afterAll(async () => {
  await Promise.all(running.map((server) => server.kill()));
  await runtime.close();
  await database.drop();
  await mailbox.stop();
});

async function start(smtpUrl: string): Promise<ServerProcess> {
  const env = { ISSUER, DATABASE_URL: database.url, SMTP_URL: smtpUrl };
  const server = await startServerProcess(env);
  running.push(server);
  return server;
}

test('killing the process between the change and its mails loses none of them', async () => {
  // A mail server that takes connections and never says a word: mails stay under way.
  const held: Socket[] = [];
  const silent = createServer((socket) => held.push(socket.on('error', () => {})));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const first = await start(`smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  for (const to of RECIPIENTS) await queueMail({ runtime }, codeMail({ issuer: ISSUER }, to));
  await expect.poll(() => held.length).toBeGreaterThan(0);
  expect(await first.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
  silent.close();
  expect(await queuedMails({ runtime })).toHaveLength(RECIPIENTS.length);
  expect(mailbox.messages).toEqual([]);

  // Those that were under way are held to be so for two minutes.
  await runtime.deps.db.raw(
    `UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '3 minutes'
      WHERE locked_at IS NOT NULL`,
  );
  await start(mailbox.url);
  for (const to of RECIPIENTS) {
    expect(codeIn(await mailbox.waitFor(to))).toBe('12345678');
  }
  await expect.poll(() => queuedMails({ runtime })).toEqual([]);
  expect(mailbox.messages.map(({ recipients }) => recipients[0]).sort()).toEqual(RECIPIENTS);
}, 120_000);
