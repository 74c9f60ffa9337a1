import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config.ts';

const PRODUCTION = {
  DATABASE_URL: 'postgres://plinto@db/plinto',
  ISSUER: 'https://id.example.com',
  PLINTO_SECRET: 'f3Zq81LmT0xYb6nVw2Rk9sJd4hGc7pAe',
};
const AAGUID = 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings of second factors', () => {
  test('are these unless given', () => {
    expect(parseConfig(PRODUCTION)).toMatchObject({
      mfa: {
        policy: 'optional',
        factors: ['passkey', 'totp'],
        rememberDays: 0,
        recoveryDelayHours: 0,
      },
      passkeys: {
        rpId: 'id.example.com',
        origins: ['https://id.example.com'],
        aaguids: [],
        offerDays: 30,
      },
    });
  });

  test.each<{ env: Record<string, string>; expected: object }>([
    { env: { MFA: 'off' }, expected: { mfa: { policy: 'off' } } },
    { env: { MFA: 'required' }, expected: { mfa: { policy: 'required' } } },
    {
      env: { MFA_FACTORS: ' TOTP,, passkey totp' },
      expected: { mfa: { factors: ['totp', 'passkey'] } },
    },
    { env: { MFA_REMEMBER_DAYS: '30' }, expected: { mfa: { rememberDays: 30 } } },
    {
      env: { MFA_RECOVERY_DELAY_HOURS: '72', SMTP_URL: 'smtps://mail.example.com' },
      expected: { mfa: { recoveryDelayHours: 72 } },
    },
    { env: { PASSKEY_RP_ID: 'example.com' }, expected: { passkeys: { rpId: 'example.com' } } },
    {
      env: {
        ISSUER: 'https://id.example.com/plinto',
        PASSKEY_ORIGINS: 'https://example.net, https://example.org:8443',
      },
      expected: {
        passkeys: {
          rpId: 'id.example.com',
          origins: ['https://id.example.com', 'https://example.net', 'https://example.org:8443'],
        },
      },
    },
    {
      env: { PASSKEY_AAGUIDS: AAGUID.toUpperCase(), PASSKEY_OFFER_DAYS: '0' },
      expected: { passkeys: { aaguids: [AAGUID], offerDays: 0 } },
    },
  ])('can be $env', ({ env, expected }) => {
    expect(parseConfig({ ...PRODUCTION, ...env })).toMatchObject(expected);
  });

  test.each(['http://127.0.0.1:3000', 'http://[::1]:3000'])(
    'leave passkeys out at %s, where browsers have none',
    (ISSUER) => {
      expect(parseConfig({ ISSUER }).mfa.factors).toEqual(['totp']);
    },
  );

  test('have messages caught in development, so that codes can be sent', () => {
    const MFA_FACTORS = 'totp,sms,email';
    expect(parseConfig({ MFA_FACTORS }).mfa.factors).toEqual(['totp', 'sms', 'email']);
  });
});

describe('security 29: refused', () => {
  test.each<{ env: Record<string, string>; problems: string[] }>([
    { env: { MFA: 'sometimes' }, problems: ['MFA: must be one of off, optional, required'] },
    {
      env: { MFA_FACTORS: 'totp,fax' },
      problems: ['MFA_FACTORS: fax is none of passkey, totp, sms, email'],
    },
    {
      env: { MFA_REMEMBER_DAYS: '366' },
      problems: ['MFA_REMEMBER_DAYS: must be a whole number from 0 to 365'],
    },
    {
      env: { MFA_RECOVERY_DELAY_HOURS: '721' },
      problems: ['MFA_RECOVERY_DELAY_HOURS: must be a whole number from 0 to 720'],
    },
    {
      env: { MFA_RECOVERY_DELAY_HOURS: '24' },
      problems: ['MFA_RECOVERY_DELAY_HOURS: needs SMTP_URL'],
    },
    ...[
      'Example.com',
      'https://example.com',
      'example.com:443',
      'exa mple.com',
      '.example.com',
    ].map((PASSKEY_RP_ID) => ({
      env: { PASSKEY_RP_ID },
      problems: ['PASSKEY_RP_ID: must be a domain such as example.com'],
    })),
    {
      env: { PASSKEY_RP_ID: '192.0.2.7' },
      problems: ['PASSKEY_RP_ID: must be a domain, not an address'],
    },
    ...[
      'example.net',
      'http://example.net',
      'https://example.net/',
      'https://example.net/app',
      'ftp://localhost',
    ].map((PASSKEY_ORIGINS) => ({
      env: { PASSKEY_ORIGINS },
      problems: [
        `PASSKEY_ORIGINS: ${PASSKEY_ORIGINS} is not an origin such as https://app.example.com`,
      ],
    })),
    {
      env: { PASSKEY_ORIGINS: 'https://example.net,http://localhost:8080' },
      problems: [
        "PASSKEY_ORIGINS: http://localhost:8080 is not https, so any program on a person's machine could ask for passkeys",
      ],
    },
    { env: { PASSKEY_AAGUIDS: 'yubikey' }, problems: ['PASSKEY_AAGUIDS: yubikey is malformed'] },
    {
      env: { PASSKEY_OFFER_DAYS: '-1' },
      problems: ['PASSKEY_OFFER_DAYS: must be a whole number from 0 to 3650'],
    },
    {
      env: { MFA_FACTORS: 'sms,email' },
      problems: [
        'MFA_FACTORS: must have totp or passkey, which administrators need at least',
        'MFA_FACTORS: "sms" needs SMS_WEBHOOK_URL',
        'MFA_FACTORS: "email" needs SMTP_URL',
      ],
    },
    {
      env: { ISSUER: 'https://192.0.2.7', MFA_FACTORS: 'passkey' },
      problems: [
        'MFA_FACTORS: must have totp, which administrators need at least: passkeys need an ISSUER with a domain',
      ],
    },
  ])('$env', ({ env, problems }) => {
    expect(problemsOf({ ...PRODUCTION, ...env })).toEqual(problems);
  });
});
