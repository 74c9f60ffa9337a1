import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ACCOUNT_VARIABLES } from './account-variables.ts';
import { MFA_VARIABLES } from './mfa-variables.ts';
import {
  choice,
  count,
  DAY,
  flag,
  networks,
  seconds,
  secrets,
  url,
  type Variable,
} from './schemas.ts';

/** Settings of the server and the provider. */
const SERVER_VARIABLES = [
  {
    name: 'ISSUER',
    schema: url(/^https?$/, 'must be a URL such as https://id.example.com').optional(),
    help: 'Public URL of this installation, and the `iss` of its tokens. May have a path. Must be https, except on localhost.',
    fallback: '`http://localhost:<PORT>`; required with `DATABASE_URL`',
  },
  { name: 'PORT', schema: count(3000, 1, 65_535), help: 'Port to listen on.' },
  {
    name: 'HOST',
    schema: z.string().optional(),
    help: 'Address to listen on.',
    fallback: '`127.0.0.1`, or `0.0.0.0` with `DATABASE_URL`',
  },
  {
    name: 'DATABASE_URL',
    schema: url(/^postgres(ql)?$/, 'must be a URL such as postgres://user@host/plinto').optional(),
    secret: true,
    help: 'PostgreSQL 15 or newer. Setting it means production: unsafe settings then refuse to start.',
    fallback: 'an embedded PostgreSQL under `PLINTO_DATA_DIR`',
  },
  {
    name: 'DATABASE_POOL_SIZE',
    schema: count(10, 2, 500),
    help: 'Connections of each process.',
  },
  {
    name: 'DATABASE_STATEMENT_TIMEOUT',
    schema: seconds(10, 1, 600),
    help: 'Seconds after which PostgreSQL cancels a statement.',
  },
  {
    name: 'PLINTO_SECRET',
    schema: secrets.optional(),
    secret: true,
    help: 'At least 32 random characters. Cookies, signing keys and client secrets depend on it: keep it as safe as the database. To rotate it, set `new,old`, restart (several replicas: `old,new` on each first), and drop the old one once `plinto doctor` says nothing needs it.',
    fallback: 'made and kept in `PLINTO_DATA_DIR`; required with `DATABASE_URL`',
  },
  {
    name: 'PLINTO_DATA_DIR',
    schema: z.string().default('.plinto'),
    help: 'Folder of the embedded database and the development secret.',
  },
  {
    name: 'TRUST_PROXY',
    schema: count(0, 0, 10),
    help: 'How many reverse proxies in front add to `X-Forwarded-For`. 0 ignores the header.',
  },
  {
    name: 'MANAGEMENT_PORT',
    schema: count(3001, 0, 65_535),
    help: 'Port of `/health/live`, `/health/ready` and `/metrics`. 0 turns it off.',
  },
  {
    name: 'MANAGEMENT_HOST',
    schema: z.string().optional(),
    help: 'Address of the management port. Keep it away from the internet.',
    fallback: '`127.0.0.1`, or `0.0.0.0` with `DATABASE_URL`',
  },
  {
    name: 'LOG_LEVEL',
    schema: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    help: 'How much is logged: fatal, error, warn, info, debug, trace or silent.',
  },
  {
    name: 'PRODUCT_NAME',
    schema: z.string().max(60, 'is longer than 60 characters').default('Plinto'),
    help: 'Name shown on the pages.',
  },
  {
    name: 'ACCESS_TOKEN_TTL',
    schema: seconds(600, 60, DAY),
    help: 'Seconds an access token lives.',
  },
  { name: 'ID_TOKEN_TTL', schema: seconds(3600, 60, DAY), help: 'Seconds an ID token lives.' },
  {
    name: 'REFRESH_TOKEN_TTL',
    schema: seconds(90 * DAY, 60, 730 * DAY),
    help: 'Seconds after sign-in when a family of refresh tokens ends, however often used.',
  },
  {
    name: 'REFRESH_TOKEN_IDLE',
    schema: seconds(30 * DAY, 60, 730 * DAY),
    help: 'Seconds without use after which a refresh token ends.',
  },
  {
    name: 'REFRESH_REUSE_LEEWAY',
    schema: seconds(10, 0, 60),
    help: 'Seconds during which a rotated refresh token may be presented again (a lost response, two tabs). Each use is audited; 0 turns it off.',
  },
  {
    name: 'SESSION_TTL',
    schema: seconds(14 * DAY, 60, 400 * DAY),
    help: 'Seconds after sign-in when a browser session ends.',
  },
  {
    name: 'SESSION_IDLE',
    schema: seconds(3 * DAY, 60, 400 * DAY),
    help: 'Seconds without use after which a browser session ends.',
  },
  {
    name: 'INTERACTION_TTL',
    schema: seconds(3600, 60, DAY),
    help: 'Seconds a person has to finish signing in.',
  },
  {
    name: 'DEVICE_CODE_TTL',
    schema: seconds(600, 60, 3600),
    help: 'Seconds a device code can be approved (RFC 8628).',
  },
  {
    name: 'DYNAMIC_REGISTRATION',
    schema: choice(['off', 'token', 'open'], 'token'),
    help: 'Dynamic client registration (RFC 7591): off, behind an initial access token, or open (development only).',
  },
  {
    name: 'CLIENT_ID_METADATA_DOCUMENT',
    schema: flag(false),
    help: 'Accept clients that identify themselves by the https URL of their metadata document.',
  },
  {
    name: 'DPOP_REQUIRE_NONCE',
    schema: flag(false),
    help: 'Ask every DPoP proof for a nonce from this server (RFC 9449 §8).',
  },
  {
    name: 'CLIENT_CERTIFICATE_HEADER',
    schema: z
      .string()
      .regex(/^[\w-]+$/, 'must be a header name')
      .optional(),
    help: 'Header in which the proxy passes a verified TLS client certificate, PEM, URL-encoded. Turns on mutual TLS (RFC 8705).',
    fallback: 'none; mutual TLS is off',
  },
  {
    name: 'KEY_ROTATION_DAYS',
    schema: count(90, 1, 3650),
    help: 'Days after which a signing key is replaced.',
  },
  {
    name: 'KEY_PUBLISH_SECONDS',
    schema: seconds(3600, 0, 30 * DAY),
    help: 'Seconds a new key is published before it signs; also the max-age of the JWKS.',
  },
  {
    name: 'PASSWORD_HASH_CONCURRENCY',
    schema: count(Math.max(1, Math.min(4, availableParallelism() - 1)), 1, 64),
    help: 'Passwords hashed at the same time by each process.',
    fallback: "one less than the machine's cores, 1 to 4",
  },
  {
    name: 'PASSWORD_HASH_QUEUE',
    schema: count(64, 0, 10_000),
    help: 'Sign-ins that may wait for that; more are told to try again (503).',
  },
  {
    name: 'OUTBOUND_ALLOW',
    schema: networks.optional(),
    help: 'Private networks that requests to addresses given by clients (back-channel logout, JWKS) may reach, for example `10.0.0.0/8`. All others are refused.',
    fallback: 'none; loopback with the embedded database',
  },
] as const satisfies readonly Variable[];

/** Every setting, in the order docs/config.md lists them. */
export const VARIABLES = [...SERVER_VARIABLES, ...ACCOUNT_VARIABLES, ...MFA_VARIABLES] as const;
