import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { transaction } from '../../src/db/pool.ts';
import { createMailer, type Mail } from '../../src/mail/mail.ts';
import { sampleVars } from '../../src/mail/samples.ts';
import { insertCaughtMessage, listCaughtMessages } from '../../src/mail/store.ts';
import { createLogger, openRuntime, type Runtime } from '../../src/runtime.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { createTexter } from '../../src/sms/sms.ts';
import { freePort, SECRET, startApp } from '../support/app.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';

let database: TestDatabase;
let runtime: Runtime;
let server: RunningServer;
let issuer: string;

beforeAll(async () => {
  database = await createDatabase();
  const port = await freePort();
  issuer = `http://localhost:${port}/auth`;
  const env = { ISSUER: issuer, PORT: String(port), MANAGEMENT_PORT: '0', PLINTO_SECRET: SECRET };
  const onDatabase = { ...env, DATABASE_URL: database.url };
  runtime = await openRuntime(parseConfig(onDatabase), createLogger('silent'));
  // Settings of development, but not a database of its own: that takes seconds to make.
  server = await startServer(parseConfig(env), runtime);
});
afterAll(async () => {
  await server.stop();
  await runtime.close();
  await database.drop();
});

const db = () => runtime.deps.db;
const caught = () => listCaughtMessages(db());
const open = async (path: string) => {
  const response = await fetch(`${issuer}${path}`, { headers: { 'accept-language': 'en' } });
  return { status: response.status, headers: response.headers, html: await response.text() };
};

const ATTACK = '"><script>window.hit=1</script>';

function mailTo(to: string): Mail {
  return {
    template: 'new-device',
    to,
    locale: 'de',
    vars: { device: ATTACK, place: '', at: '2026-11-23T21:00:00Z', url: `${issuer}/account` },
  };
}

describe('the mailbox of development', () => {
  test('is empty at first, and says so', async () => {
    const { status, html } = await open('/dev/mail');
    expect(status).toBe(200);
    expect(html).toContain('data-page="dev-mail"');
    expect(html).toContain('Nothing was sent yet.');
  });

  test('shows mails and text messages that nobody is configured to send, newest first', async () => {
    const { box } = runtime.keyring;
    const mailer = createMailer({ enabled: true, boxKeys: box });
    const texter = createTexter({ enabled: true, boxKeys: box });
    await transaction(db(), (trx) => mailer.queue(trx, mailTo('ada@example.com')));
    await expect.poll(async () => (await caught()).length).toBe(1);
    await transaction(db(), (trx) =>
      texter.queue(trx, {
        to: '+351912345678',
        template: 'code',
        vars: { code: '12345678' },
        locale: 'en-GB',
      }),
    );
    await expect.poll(async () => (await caught()).length).toBe(2);
    const { html } = await open('/dev/mail');
    expect(html.indexOf('+351912345678')).toBeLessThan(html.indexOf('ada@example.com'));
    const [sms, mail] = await caught();
    const message = await open(`/dev/mail/${sms?.id}`);
    expect(message.html).toContain('12345678 is your code for Plinto.');
    expect((await open(`/dev/mail/${sms?.id}/html`)).status).toBe(404);
    expect(html).toContain(`href="/auth/dev/mail/${mail?.id}"`);
  });

  test('shows a mail as text with its link, and its HTML where nothing can run', async () => {
    const id = (await caught()).find(({ channel }) => channel === 'mail')?.id;
    const message = await open(`/dev/mail/${id}`);
    expect(message.html).toContain('data-page="dev-mail-message"');
    expect(message.html).toContain('Neue Anmeldung bei Plinto');
    expect(message.html).toContain(`class="primary" href="${issuer}/account"`);
    expect(message.html).toContain(`href="/auth/dev/mail/${id}/html"`);
    const { status, headers, html } = await open(`/dev/mail/${id}/html`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = String(headers.get('content-security-policy'));
    expect(policy).toMatch(/^sandbox [^;]*; default-src 'none'; style-src 'unsafe-inline';/);
    expect(policy).not.toMatch(/allow-(scripts|same-origin|forms)|script-src/);
    expect(html).toContain('<html lang="de" dir="ltr">');
    for (const page of [message.html, html]) expect(page).not.toContain('<script>window');
  });

  test.each(['nothing', '%00', '01890000-0000-7000-8000-000000000000', '..%2f..%2fetc'])(
    'has no message %j',
    async (id) => {
      expect((await open(`/dev/mail/${id}`)).status).toBeGreaterThanOrEqual(400);
      expect((await open(`/dev/mail/${id}`)).status).toBeLessThan(500);
    },
  );

  test.each(['en', 'de'])('previews every mail in %s', async (lang) => {
    const list = await open('/dev/mail');
    const names = [...list.html.matchAll(/\/dev\/mail\/preview\/([\w-]+)"/g)].map(([, n]) => n);
    expect(names).toEqual(Object.keys(sampleVars(issuer)));
    for (const name of names) {
      const page = await open(`/dev/mail/preview/${name}?lang=${lang}`);
      expect(page.status, name).toBe(200);
      const mail = await open(`/dev/mail/preview/${name}/html?lang=${lang}`);
      expect(mail.html, name).toContain(`<html lang="${lang}" dir="ltr">`);
      expect(mail.headers.get('content-security-policy')).toContain('sandbox');
    }
  });

  test.each(['constructor', 'nothing', 'sign-up-code?lang=xx', '__proto__'])(
    'has no preview %j',
    async (path) => {
      expect((await open(`/dev/mail/preview/${path}`)).status).toBe(404);
    },
  );

  test('keeps the 200 newest messages', async () => {
    const message = { channel: 'sms', subject: null, html: null } as const;
    await transaction(db(), async (trx) => {
      for (let i = 1; i <= 205; i += 1) {
        await insertCaughtMessage(trx, { ...message, recipient: `+${i}`, text: String(i) });
      }
    });
    const kept = await caught();
    expect(kept).toHaveLength(200);
    expect([kept[0]?.recipient, kept.at(-1)?.recipient]).toEqual(['+205', '+6']);
  });
});

test('in production there is no such mailbox, whatever is asked for', async () => {
  const app = await startApp();
  const paths = ['', '/', '/preview/invitation', '/preview/invitation/html'];
  for (const path of paths) {
    expect((await fetch(`${app.issuer}/dev/mail${path}`)).status, path).toBe(404);
  }
  await app.stop();
});
