import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import type { Mail } from '../../src/mail/mail.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { codeIn, linkIn, type Mailbox, startMailbox } from '../support/mailbox.ts';

let mailbox: Mailbox;
let app: TestApp;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url, MAIL_FROM: 'Harbour <login@harbour.example>' });
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

const db = () => app.runtime.deps.db;

/** Queues a mail as a slice does. */
function queue(mail: Mail): Promise<void> {
  const mailer = createMailer({ enabled: true, boxKeys: app.runtime.keyring.box });
  return transaction(db(), (trx) => mailer.queue(trx, mail));
}

const codeTo = (to: string | undefined): Mail => ({
  template: 'sign-up-code',
  to,
  locale: 'en',
  vars: { code: '12345678', url: `${app.issuer}/verify-email/token` },
});

test('a mail that was queued with a change arrives once, from the configured sender', async () => {
  await queue(codeTo('ada@example.com'));
  const mail = await mailbox.waitFor('ada@example.com');
  expect(codeIn(mail)).toBe('12345678');
  expect(linkIn(mail)).toBe(`${app.issuer}/verify-email/token`);
  expect(mail.from?.value).toEqual([{ name: 'Harbour', address: 'login@harbour.example' }]);
  expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
  expect(mail.messageId).toMatch(/^<[0-9a-f]{32}@harbour\.example>$/);
});
