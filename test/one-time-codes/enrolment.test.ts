import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/clients/store.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { createVisitor, pageName } from '../support/visitor.ts';
import { createReader, type Messages, pastPassword, startMessages } from './message-codes.ts';

let messages: Messages;
let app: TestApp;
let client: Client;
let count = 0;

beforeAll(async () => {
  messages = await startMessages();
  app = await startApp({ ...messages.env, MFA: 'required', TRUST_PROXY: '1' });
  ({ client } = await app.createClient());
});
afterAll(async () => {
  await app.stop();
  await messages.stop();
});

/** Somebody who needs a second factor and has none, past the password. */
async function atChoice(input: { phone?: string; emailVerified?: boolean } = {}) {
  count += 1;
  const email = `beginner${count}@example.com`;
  const user = await createReader(app, { email, ...input });
  const visitor = createVisitor({ 'x-forwarded-for': `198.51.100.${count}` });
  const url = authorizationUrl(app, client.id);
  const page = await pastPassword(visitor, url, email, CALLBACK);
  return { user, email, visitor, page, base: page.url };
}

const factorsOf = async (userId: string): Promise<string[]> =>
  (await app.runtime.deps.db('users').where({ id: userId }).first('factors')).factors;

describe('where a second factor is required and there is none', () => {
  test('the choice names what the person can set up', async () => {
    const { page } = await atChoice({ phone: '+447946299001' });
    expect(pageName(page)).toBe('enrol-mfa');
    for (const path of ['enrol-passkey', 'enrol-totp', 'sms-code', 'mail-code'])
      expect(page.html).toMatch(new RegExp(`href="[^"]*/${path}"`));
    expect(page.html).toMatch(/<noscript>[^<]*<p[^>]*>Needs a browser that runs scripts/);
    const { page: fewer } = await atChoice({ emailVerified: false });
    expect(fewer.html).not.toMatch(/href="[^"]*\/(sms|mail)-code"/);
  });

  test.each([
    { name: 'sms-code', factor: 'sms' },
    { name: 'mail-code', factor: 'email' },
  ])(
    'the right code turns codes on ($factor), which is recorded and told',
    async ({ name, factor }) => {
      const phone = `+4479462990${10 + count}`;
      const { user, email, visitor, base } = await atChoice({ phone });
      const to = factor === 'sms' ? phone : email;
      const before = await visitor.open(`${base}/${name}`);
      expect(pageName(before)).toBe(name);
      expect(before.html).toContain('From then on');
      const sent = await visitor.submit(before, `/send-${name}`);
      expect(await factorsOf(user.id)).toEqual([]);
      await visitor.submit(sent, `/${name}`, { code: await messages.code(to) }, CALLBACK);
      expect(await factorsOf(user.id)).toEqual([factor]);
      const events = await app.runtime.deps
        .db('audit_events')
        .where({ user_id: user.id, type: 'factor.added' });
      expect(events.map(({ data }) => data)).toEqual([{ factor }]);
      await expect.poll(() => messages.mailsTo(email), { timeout: 15_000 }).toBe(1);
    },
  );

  test('security 3: a number that nobody has proven gets no code', async () => {
    const { user, visitor, base, page } = await atChoice();
    const { db } = app.runtime.deps;
    await db('users').where({ id: user.id }).update({ phone_number: '+447946299099' });
    const asked = await visitor.open(`${base}/sms-code`);
    expect(pageName(asked)).toBe('enrol-mfa');
    const hidden = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    await visitor.open(`${base}/send-sms-code`, CALLBACK, {
      method: 'POST',
      body: new URLSearchParams({ csrf: hidden }),
      headers: { origin: app.issuer },
    });
    expect(await db('one_time_codes').where({ user_id: user.id })).toEqual([]);
  });
});
