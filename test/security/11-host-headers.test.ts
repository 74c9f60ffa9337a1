import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor } from '../support/visitor.ts';

const EVIL = 'evil.example';

let app: TestApp;
let client: Client;
let mailbox: Mailbox;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ TRUST_PROXY: '1', SMTP_URL: mailbox.url });
  await app.createUser();
  ({ client } = await app.createClient());
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

describe('security 11: the configured issuer is the only address we name', () => {
  test.each([
    ['X-Forwarded-Host', { 'x-forwarded-host': EVIL }],
    ['X-Forwarded-Proto', { 'x-forwarded-proto': 'https', 'x-forwarded-host': EVIL }],
    ['Forwarded', { forwarded: `host=${EVIL};proto=https` }],
    [
      'X-Original-URL',
      { 'x-original-url': `https://${EVIL}/`, 'x-rewrite-url': `https://${EVIL}/` },
    ],
    ['X-Forwarded-Prefix', { 'x-forwarded-prefix': `//${EVIL}` }],
  ] as [string, Record<string, string>][])(
    'security 11: %s changes no document, redirect or page',
    async (_name, headers) => {
      const visitor = createVisitor(headers);
      const discovery = await visitor.request(`${app.issuer}/.well-known/openid-configuration`);
      const document = (await discovery.json()) as Record<string, unknown>;
      expect(document.issuer).toBe(app.issuer);
      for (const [name, value] of Object.entries(document)) {
        if (/_endpoint$|_uri$/.test(name))
          expect(String(value).startsWith(`${app.issuer}/`)).toBe(true);
      }
      const redirect = await visitor.request(authorizationUrl(app, client.id));
      expect(redirect.headers.get('location')).toMatch(/^\/interaction\//);
      expect(JSON.stringify([...redirect.headers])).not.toContain(EVIL);
      const page = await visitor.open(authorizationUrl(app, client.id));
      expect(page.html).not.toContain(EVIL);
      expect((await visitor.open(`${app.issuer}/nope`)).html).not.toContain(EVIL);
    },
  );

  test('security 11: no header changes a link in a mail', async () => {
    const headers = { host: EVIL, 'x-forwarded-host': EVIL, forwarded: `host=${EVIL}` };
    for (const visitor of [createVisitor(), createVisitor(headers)]) {
      await visitor.signIn(authorizationUrl(app, client.id), CALLBACK);
    }
    const mail = await mailbox.waitFor('ada@example.com');
    expect(linkIn(mail)).toBe(`${app.issuer}/account/sessions`);
    expect(mail.source).not.toContain(EVIL);
    expect(`${mail.text}${mail.html}`).not.toContain(EVIL);
  });

  test('security 11: a Host header changes no document', async () => {
    const { request } = await import('node:http');
    const body = await new Promise<string>((resolve, reject) => {
      const options = { port: app.config.port, host: '127.0.0.1', headers: { host: EVIL } };
      request({ ...options, path: '/.well-known/openid-configuration' }, async (res) => {
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve(text);
      })
        .on('error', reject)
        .end();
    });
    expect(body).not.toContain(EVIL);
    expect(JSON.parse(body).issuer).toBe(app.issuer);
  });
});
