import { z } from 'zod';
import { choice, count, origins, type Variable, wordsOf } from './schemas.ts';

/** Settings of second factors and passkeys. */
export const MFA_VARIABLES = [
  {
    name: 'MFA',
    schema: choice(['off', 'optional', 'required'], 'optional'),
    help: 'Whether a second factor is asked for: never (off), of people who turned one on (optional), or of everybody, who turn one on when they next sign in (required). Administrators always need one. Clients may have another policy (`plinto client create --mfa`).',
  },
  {
    name: 'MFA_FACTORS',
    schema: wordsOf(['passkey', 'totp', 'sms', 'email']).default(['passkey', 'totp']),
    help: 'Second factors that people may turn on: `passkey`, `totp` (an authenticator app), `sms` and `email` (codes), between commas. Passkeys also replace the password.',
    fallback: '`passkey,totp`',
  },
  {
    name: 'MFA_REMEMBER_DAYS',
    schema: count(0, 0, 365),
    help: 'Days for which people may let a browser do without a second factor. It never stands in for one that an app asks for by `acr`, nor for administrators. 0 turns it off.',
  },
  {
    name: 'MFA_RECOVERY_DELAY_HOURS',
    schema: count(0, 0, 720),
    help: 'Hours after which people who lost all their second factors get in with their password and a code by mail. They are warned meanwhile by mail and text message, and can call it off. Never for administrators. 0 turns it off: an administrator helps, with `plinto user reset-mfa`.',
  },
  {
    name: 'PASSKEY_RP_ID',
    schema: z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a domain such as example.com')
      .optional(),
    help: 'Domain that passkeys belong to (WebAuthn RP ID): the host of `ISSUER`, a parent domain of it, or one that names this installation in its `/.well-known/webauthn`. Changing it makes all passkeys useless.',
    fallback: 'the host of `ISSUER`',
  },
  {
    name: 'PASSKEY_ORIGINS',
    schema: origins.default([]),
    help: 'Other origins on which the same passkeys may be used, between commas; told at `/.well-known/webauthn` (related origins).',
    fallback: 'none',
  },
  {
    name: 'PASSKEY_AAGUIDS',
    schema: wordsOf(undefined, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/).default([]),
    help: 'Models of authenticators (AAGUIDs) that new passkeys may be kept in, between commas. Setting it asks for attestation.',
    fallback: 'none: any',
  },
  {
    name: 'PASSKEY_OFFER_DAYS',
    schema: count(30, 0, 3650),
    help: 'Days between two offers to create a passkey after signing in with a password. 0 makes none.',
  },
] as const satisfies readonly Variable[];
