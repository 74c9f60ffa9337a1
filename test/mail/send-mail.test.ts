import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { createSmtpTransport } from '../../src/mail/transport.ts';
import { freePort, startApp, type TestApp } from '../support/app.ts';
import { codeIn, linkIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { codeMail, makeDue, queuedMails, queueMail } from './queue.ts';

/** Milliseconds; the queue looks for due jobs every five seconds at least. */
const SOON = { timeout: 15_000 };

let mailbox: Mailbox;
let app: TestApp;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({
    SMTP_URL: mailbox.url,
    MAIL_FROM: 'Harbour <login@harbour.example>',
    MANAGEMENT_PORT: String(await freePort()),
  });
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

const db = () => app.runtime.deps.db;
const refusals = () => db()('audit_events').where({ type: 'mail.refused' }).orderBy('id');
const arrivals = (address: string) =>
  mailbox.messages.filter(({ recipients }) => recipients.includes(address)).length;

describe('a queued mail', () => {
  test('arrives once, from the configured sender, with code and link', async () => {
    await queueMail(app, codeMail(app, 'ada@example.com'));
    const mail = await mailbox.waitFor('ada@example.com');
    expect(codeIn(mail)).toBe('12345678');
    expect(linkIn(mail)).toBe(`${app.issuer}/verify-email/secret-token`);
    expect(mail.from?.value).toEqual([{ name: 'Harbour', address: 'login@harbour.example' }]);
    expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
    expect(mail.messageId).toMatch(/^<[0-9a-f]{32}@harbour\.example>$/);
    await expect.poll(() => queuedMails(app)).toEqual([]);
    expect(arrivals('ada@example.com')).toBe(1);
  });

  test('is sent if the change it belongs to is committed, and only then', async () => {
    const mailer = createMailer({ enabled: true, boxKeys: app.runtime.keyring.box });
    await transaction(db(), async (trx) => {
      await mailer.queue(trx, codeMail(app, 'rolled-back@example.com'));
      throw new Error('and then it failed');
    }).catch(() => {});
    await queueMail(app, codeMail(app, 'committed@example.com'));
    await mailbox.waitFor('committed@example.com');
    await expect.poll(() => queuedMails(app)).toEqual([]);
    expect(mailbox.tries('rolled-back@example.com')).toBe(0);
  });

  test('to nobody is queued all the same, and dropped', async () => {
    const before = mailbox.messages.length;
    await queueMail(app, codeMail(app, undefined));
    await expect.poll(() => queuedMails(app), SOON).toEqual([]);
    expect(mailbox.messages.length).toBe(before);
    expect(await refusals()).toEqual([]);
  });

  test('security 5: no code, link or address of it is readable in the database or the log', async () => {
    mailbox.refuse('later@example.com', 451);
    await queueMail(app, codeMail(app, 'later@example.com'));
    await expect.poll(async () => (await queuedMails(app))[0]?.last_error, SOON).toContain('451');
    const rows = JSON.stringify(await queuedMails(app));
    for (const secret of ['12345678', 'secret-token', 'later@', 'sign-up-code']) {
      expect(rows).not.toContain(secret);
      expect(app.logs.join('\n')).not.toContain(secret);
    }
    mailbox.refuse('later@example.com', undefined);
    await makeDue(app);
    await mailbox.waitFor('later@example.com');
    await expect.poll(() => queuedMails(app)).toEqual([]);
  });
});

describe('a mail server', () => {
  test.each([421, 450, 452])('that answers %i is tried again', async (status) => {
    const address = `busy-${status}@example.com`;
    mailbox.refuse(address, status);
    await queueMail(app, codeMail(app, address));
    await expect.poll(async () => (await queuedMails(app))[0]?.attempts, SOON).toBe(1);
    await expect.poll(async () => (await queuedMails(app))[0]?.last_error, SOON).toBeTruthy();
    expect(arrivals(address)).toBe(0);
    mailbox.refuse(address, undefined);
    await makeDue(app);
    await mailbox.waitFor(address);
    expect(mailbox.tries(address)).toBe(2);
    expect(await refusals()).toEqual([]);
  });

  test('for so long that its code is worth nothing gets it no more', async () => {
    const address = 'too-late@example.com';
    mailbox.refuse(address, 450);
    await queueMail(app, codeMail(app, address));
    await expect.poll(async () => (await queuedMails(app))[0]?.last_error, SOON).toBeTruthy();
    await app.runtime.deps.db.raw(
      "UPDATE graphile_worker._private_jobs SET created_at = now() - interval '11 minutes'",
    );
    mailbox.refuse(address, undefined);
    await makeDue(app);
    await expect.poll(() => queuedMails(app), SOON).toEqual([]);
    expect(arrivals(address)).toBe(0);
    expect(mailbox.tries(address)).toBe(1);
  });

  test.each([550, 551, 553, 554])(
    'that refuses an address with %i is not asked again, and the refusal is reported',
    async (status) => {
      const before = (await refusals()).length;
      const address = `gone-${status}@example.com`;
      const user = await app.createUser({ email: address });
      mailbox.refuse(address, status);
      await queueMail(app, { ...codeMail(app, address), userId: user.id });
      await expect.poll(async () => (await refusals()).length, SOON).toBe(before + 1);
      const event = (await refusals()).at(-1);
      expect(event).toMatchObject({ actor: 'system', user_id: user.id });
      expect(event.data).toEqual({ template: 'sign-up-code', status });
      await expect.poll(() => queuedMails(app)).toEqual([]);
      expect(mailbox.tries(address)).toBe(1);
    },
  );

  test('that fails after it took a mail gets it again, to be known by its Message-ID', async () => {
    mailbox.refuse('twice@example.com', 451, 'DATA');
    await queueMail(app, codeMail(app, 'twice@example.com'));
    await expect.poll(async () => (await queuedMails(app))[0]?.last_error, SOON).toContain('451');
    mailbox.refuse('twice@example.com', undefined, 'DATA');
    await makeDue(app);
    await expect.poll(() => arrivals('twice@example.com'), SOON).toBe(2);
    const ids = mailbox.messages.slice(-2).map(({ messageId }) => messageId);
    expect(ids[0]).toBe(ids[1]);
    await expect.poll(() => queuedMails(app)).toEqual([]);
  });

  test('that refuses what a mail says is not asked again either', async () => {
    const before = (await refusals()).length;
    mailbox.refuse('spam@example.com', 554, 'DATA');
    await queueMail(app, codeMail(app, 'spam@example.com'));
    await expect.poll(async () => (await refusals()).length, SOON).toBe(before + 1);
    await expect.poll(() => queuedMails(app)).toEqual([]);
  });

  test("'s refusals can be seen in the metrics", async () => {
    const metrics = await fetch(`http://127.0.0.1:${app.config.management.port}/metrics`);
    const total = (await refusals()).length;
    expect(total).toBeGreaterThan(0);
    expect(await metrics.text()).toContain(
      `plinto_events_total{type="mail.refused",reason=""} ${total}\n`,
    );
  });

  test('that keeps failing for one mail holds up no other', async () => {
    mailbox.refuse('stuck@example.com', 451);
    await queueMail(app, codeMail(app, 'stuck@example.com'));
    for (let i = 0; i < 10; i += 1) await queueMail(app, codeMail(app, `next-${i}@example.com`));
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => mailbox.waitFor(`next-${i}@example.com`)),
    );
    await expect.poll(() => queuedMails(app)).toHaveLength(1);
    mailbox.refuse('stuck@example.com', undefined);
    await makeDue(app);
    await mailbox.waitFor('stuck@example.com');
  });
});

describe('security 13: an address', () => {
  test.each([
    'a@example.com,b@example.com',
    'a@example.com\r\nBcc: b@example.com',
    '"a" <b@example.com>',
    'Group: a@example.com, b@example.com;',
    'a@example.com b@example.com',
    'a@EXAMPLE.com',
    '',
    'file:///etc/passwd',
  ])('%j is given to no mail server', async (to) => {
    const seen = mailbox.messages.length;
    const before = (await refusals()).length;
    await queueMail(app, codeMail(app, to));
    await expect.poll(async () => (await refusals()).length, SOON).toBe(before + 1);
    expect((await refusals()).at(-1).data).toEqual({ template: 'sign-up-code', status: 553 });
    expect(mailbox.messages.length).toBe(seen);
  });

  test.each(['jürgen@example.com', 'o+x_y@xn--mnchen-3ya.example', "d'arc@example.com"])(
    '%j gets its mail, and nobody else does',
    async (to) => {
      await queueMail(app, codeMail(app, to));
      expect((await mailbox.waitFor(to)).recipients).toEqual([to]);
    },
  );
});

test('security 13: text from outside reaches neither headers nor markup of a mail', async () => {
  const attack = 'x\r\nBcc: eve@evil.example\r\n\r\n<script>"\u202e{{productName}}$t(mail.or)';
  await queueMail(app, {
    template: 'new-device',
    to: 'hostile@example.com',
    locale: `en\r\nBcc: eve@evil.example`,
    vars: { device: attack, place: attack, at: attack, url: `${app.issuer}/account/sessions` },
  });
  const mail = await mailbox.waitFor('hostile@example.com');
  expect(mail.recipients).toEqual(['hostile@example.com']);
  expect(mail.headers.has('bcc')).toBe(false);
  expect(mail.source.split('\r\n\r\n')[0]).not.toContain('evil');
  expect(mail.html).not.toContain('<script');
  expect(mail.html).toContain('&lt;script&gt;');
  expect(mail.text).not.toMatch(/^Bcc/m);
  expect(`${mail.text}${mail.html}`).not.toContain('\u202e');
  expect(mail.text).toContain('{{productName}}$t(mail.or)');
});

describe('a mail server with a login', () => {
  const login = { user: 'plinto', pass: 'correct' };

  test('is signed in to with the name and password of SMTP_URL', async () => {
    const strict = await startMailbox({ login });
    const other = await startApp({ SMTP_URL: strict.url });
    await queueMail(other, codeMail(other, 'ada@example.com'));
    const mail = await strict.waitFor('ada@example.com');
    expect(mail.from?.value).toEqual([{ name: 'Plinto', address: 'no-reply@localhost' }]);
    expect(strict.logins).toEqual(['plinto']);
    await other.stop();
    await strict.stop();
  });

  test('on another machine is not told them in the clear', async () => {
    const strict = await startMailbox({ login });
    // This machine too, but by a name that doesn't say so.
    const url = strict.url.replace('127.0.0.1', '0.0.0.0');
    const other = await startApp({ SMTP_URL: url });
    await queueMail(other, codeMail(other, 'ada@example.com'));
    await expect.poll(async () => (await queuedMails(other))[0]?.last_error, SOON).toMatch(/TLS/);
    expect(strict.logins).toEqual([]);
    await other.stop();
    await strict.stop();
  });

  test('that refuses them keeps the mail queued: it is not the mail that is wrong', async () => {
    const strict = await startMailbox({ login });
    const url = strict.url.replace('correct', 'mistaken');
    const other = await startApp({ SMTP_URL: url });
    await queueMail(other, codeMail(other, 'ada@example.com'));
    await expect.poll(async () => (await queuedMails(other))[0]?.last_error, SOON).toMatch(/EAUTH/);
    expect(JSON.stringify([await queuedMails(other), other.logs])).not.toContain('mistaken');
    expect(await other.runtime.deps.db('audit_events').where({ type: 'mail.refused' })).toEqual([]);
    await other.stop();
    await strict.stop();
  });
});

test('a mail server that is away gets the mail when it is back', async () => {
  const port = await freePort();
  const other = await startApp({ SMTP_URL: `smtp://127.0.0.1:${port}` });
  await queueMail(other, codeMail(other, 'ada@example.com'));
  await expect.poll(async () => (await queuedMails(other))[0]?.last_error, SOON).toBeTruthy();
  const back = await startMailbox({ port });
  await makeDue(other);
  expect(codeIn(await back.waitFor('ada@example.com'))).toBe('12345678');
  await expect.poll(() => queuedMails(other)).toEqual([]);
  expect(back.messages).toHaveLength(1);
  await other.stop();
  await back.stop();
});

test.each([
  ['Harbour <login@harbour.example>', 'Harbour', 'login@harbour.example'],
  ['"Harbour, Ltd." <login@harbour.example>', 'Harbour, Ltd.', 'login@harbour.example'],
  ['Hafen Müller & Söhne <login@harbour.example>', 'Hafen Müller & Söhne', 'login@harbour.example'],
  ['login@harbour.example', '', 'login@harbour.example'],
])('the sender can be given as %j', async (from, name, address) => {
  const transport = createSmtpTransport({ url: mailbox.url, from });
  const to = `for-${encodeURIComponent(from).length}@example.com`;
  await transport.send({ to, messageId: 'x', subject: 's', text: 't', html: 'h' });
  expect((await mailbox.waitFor(to)).from?.value).toEqual([{ name, address }]);
});
