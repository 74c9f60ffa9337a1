import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createPasswordRules } from '../../src/password/password-rules.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { alertText, createVisitor, pageName } from '../support/visitor.ts';

const deps = {
  fetch: () => Promise.reject(new Error('nobody asks')),
  log: { warn: () => undefined },
} as unknown as Parameters<typeof createPasswordRules>[0]['deps'];

test.each([
  // NIST SP 800-63B-4 §3.1.1.2
  ['off', 15],
  ['optional', 15],
  ['required', 8],
] as const)(
  'where second factors are %s, a password has at least %d characters',
  async (mfaPolicy, length) => {
    const rules = createPasswordRules({
      deps,
      productName: 'Plinto',
      breachCheckUrl: undefined,
      mfaPolicy,
    });
    const password = 'vK7#orbit-qZ!lamp'.slice(0, length);
    expect(rules.minLength).toBe(length);
    expect(await rules.check(password, {})).toBeUndefined();
    expect(await rules.check(password.slice(0, -1), {})).toBe('password_too_short');
    expect((await rules.rate(password.slice(0, -1), [])).problem).toBe('password_too_short');
  },
);

describe('where everybody needs a second factor', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ MFA: 'required', SIGN_UP: 'invitation' });
  });
  afterAll(() => app.stop());

  test('the meter counts to eight', async () => {
    const response = await fetch(`${app.issuer}/password-strength`, {
      method: 'POST',
      body: new URLSearchParams({ new_password: 'vK7#orb', lang: 'en' }),
      headers: { 'Sec-Fetch-Site': 'same-origin', Origin: app.issuer },
    });
    const { hints } = (await response.json()) as { hints: string[] };
    expect(hints.join(' ')).toContain('7 of at least 8 characters');
  });

  test('the first administrator is told so, and may choose it', async () => {
    const { deps } = app.runtime;
    const link = await transaction(deps.db, (trx) =>
      createSetupLink(trx, deps, SYSTEM, app.issuer),
    );
    const form = new URL(link).pathname;
    const visitor = createVisitor();
    const page = await visitor.open(link);
    expect(page.html).toContain('At least 8 characters');
    const person = { name: 'Ada', email: 'ada@example.com' };
    const short = await visitor.submit(page, form, { ...person, new_password: 'vK7#orb' });
    expect(alertText(short)).toContain('at least 8 characters');
    const done = await visitor.submit(short, form, { ...person, new_password: 'vK7#orbi' });
    expect(pageName(done)).toBe('setup-done');
  });
});

test.each(['password', 'qwertzui', '12345678', 'aaaaaaaa', 'iloveyou', 'Passw0rd'])(
  'short passwords may not be common ones: %s',
  async (password) => {
    const rules = createPasswordRules({
      deps,
      productName: 'Plinto',
      breachCheckUrl: undefined,
      mfaPolicy: 'required',
    });
    expect(await rules.check(password, {})).toBe('password_common');
  },
);
