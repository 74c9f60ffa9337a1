import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { configMarkdown } from '../../src/config/docs.ts';
import type { Variable } from '../../src/config/schemas.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { ConfigError, loadConfig, parseConfig } from '../../src/config.ts';

const SECRET = 'f3Zq81LmT0xYb6nVw2Rk9sJd4hGc7pAe';
const OTHER_SECRET = 'Kd82mXq0Lw5vNz7rBt3yHs6jGf1cPa9e';
const PRODUCTION = {
  DATABASE_URL: 'postgres://plinto@db/plinto',
  ISSUER: 'https://id.example.com',
  PLINTO_SECRET: SECRET,
};

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

type Row = { name: string; env: Record<string, string>; problems: string[] };

const ACCEPTED: Omit<Row, 'problems'>[] = [
  { name: 'nothing at all (development)', env: {} },
  { name: 'the three of production', env: PRODUCTION },
  { name: 'http on localhost', env: { ...PRODUCTION, ISSUER: 'http://localhost:3000' } },
  { name: 'http on 127.0.0.1', env: { ISSUER: 'http://127.0.0.1:3000' } },
  { name: 'http on the IPv6 loopback', env: { ISSUER: 'http://[::1]:3000' } },
  { name: 'an issuer with a path', env: { ...PRODUCTION, ISSUER: 'https://example.com/id' } },
  { name: 'two secrets', env: { ...PRODUCTION, PLINTO_SECRET: `${SECRET}, ${OTHER_SECRET}` } },
  { name: 'a database by socket', env: { ...PRODUCTION, DATABASE_URL: 'postgres:///plinto' } },
  { name: 'name servers', env: { DNS_SERVERS: '192.0.2.53,192.0.2.53:5353,::1 [::1]:5353' } },
  { name: 'no management port', env: { MANAGEMENT_PORT: '0' } },
  { name: 'empty values', env: { PORT: '', PLINTO_SECRET: '', LOG_LEVEL: '' } },
  { name: 'open registration in development', env: { DYNAMIC_REGISTRATION: 'open' } },
  { name: 'a variable of somebody else', env: { HOME: '/root', PORTAL: 'x' } },
];

const REFUSED: Row[] = [
  ...['abc', '0', '65536', '1.5', '-1', '0x10', '1e3'].map((PORT) => ({
    name: `port ${PORT}`,
    env: { PORT },
    problems: ['PORT: must be a whole number from 1 to 65535'],
  })),
  ...['id.example.com', 'ftp://id.example.com', 'https:id', '//id.example.com'].map((ISSUER) => ({
    name: `issuer ${ISSUER}`,
    env: { ISSUER },
    problems: ['ISSUER: must be a URL such as https://id.example.com'],
  })),
  ...['?a=b', '?', '#x'].map((end) => ({
    name: `issuer with ${end}`,
    env: { ISSUER: `https://id.example.com/${end}` },
    problems: ['ISSUER: must be a plain URL without query, fragment or credentials'],
  })),
  {
    name: 'issuer with credentials',
    env: { ISSUER: 'https://me:pw@id.example.com' },
    problems: ['ISSUER: must be a plain URL without query, fragment or credentials'],
  },
  {
    name: 'http issuer outside localhost',
    env: { ...PRODUCTION, ISSUER: 'http://id.example.com' },
    problems: [
      'ISSUER: http://id.example.com is not https; only localhost may be served without TLS',
    ],
  },
  {
    name: 'http issuer on a host that only begins like localhost',
    env: { ISSUER: 'http://localhost.example.com' },
    problems: [
      'ISSUER: http://localhost.example.com is not https; only localhost may be served without TLS',
    ],
  },
  {
    name: 'production without issuer and secret',
    env: { DATABASE_URL: PRODUCTION.DATABASE_URL },
    problems: [
      'PLINTO_SECRET: required with DATABASE_URL; make one with `openssl rand -base64 48`',
      'ISSUER: required with DATABASE_URL; the public URL of this installation',
    ],
  },
  {
    name: 'NODE_ENV=production on the embedded database',
    env: { NODE_ENV: 'production' },
    problems: [
      'DATABASE_URL: required with NODE_ENV=production; the embedded database is for development',
    ],
  },
  {
    name: 'another kind of database',
    env: { ...PRODUCTION, DATABASE_URL: 'mysql://db/plinto' },
    problems: ['DATABASE_URL: must be a URL such as postgres://user@host/plinto'],
  },
  {
    name: 'short secret',
    env: { ...PRODUCTION, PLINTO_SECRET: 'short' },
    problems: ['PLINTO_SECRET: the secret is shorter than 32 characters'],
  },
  {
    name: 'short old secret',
    env: { ...PRODUCTION, PLINTO_SECRET: `${SECRET},short` },
    problems: ['PLINTO_SECRET: secret 2 is shorter than 32 characters'],
  },
  ...[
    'change-me-change-me-change-me-change-me',
    'an-example-secret-of-the-documentation',
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  ].map((PLINTO_SECRET) => ({
    name: `default secret ${PLINTO_SECRET}`,
    env: { ...PRODUCTION, PLINTO_SECRET },
    problems: ['PLINTO_SECRET: the secret is a placeholder or repeats itself'],
  })),
  {
    name: 'three secrets',
    env: { PLINTO_SECRET: [SECRET, OTHER_SECRET, `${SECRET}2`].join() },
    problems: ['PLINTO_SECRET: at most two secrets: the new one, then the old'],
  },
  {
    name: 'one secret twice',
    env: { PLINTO_SECRET: `${SECRET},${SECRET}` },
    problems: ['PLINTO_SECRET: the two secrets are the same'],
  },
  {
    name: 'open registration in production',
    env: { ...PRODUCTION, DYNAMIC_REGISTRATION: 'open' },
    problems: [
      'DYNAMIC_REGISTRATION: "open" lets anyone register a client; use "token" in production',
    ],
  },
  {
    name: 'an unknown kind of registration',
    env: { DYNAMIC_REGISTRATION: 'yes' },
    problems: ['DYNAMIC_REGISTRATION: must be one of off, token, open'],
  },
  {
    name: 'outbound requests to everywhere in production',
    env: { ...PRODUCTION, OUTBOUND_ALLOW: '10.0.0.0/8,0.0.0.0/0' },
    problems: [
      'OUTBOUND_ALLOW: 0.0.0.0/0 lets clients reach every private address; name the networks they need',
    ],
  },
  {
    name: 'what is no network',
    env: { OUTBOUND_ALLOW: '10.0.0.0/8,10.1' },
    problems: ['OUTBOUND_ALLOW: 10.1 is not a network such as 10.0.0.0/8'],
  },
  ...['localhost', '10.1', '1.2.3.4.5', '192.0.2.53:0', '192.0.2.53:99999', '[::1', '::1:x'].map(
    (server) => ({
      name: `name server ${server}`,
      env: { DNS_SERVERS: `192.0.2.53, ${server}` },
      problems: [`DNS_SERVERS: ${server} is not an address such as 192.0.2.53 or 192.0.2.53:5353`],
    }),
  ),
  {
    name: 'client certificates from anyone',
    env: { CLIENT_CERTIFICATE_HEADER: 'X-Client-Cert' },
    problems: ['CLIENT_CERTIFICATE_HEADER: needs TRUST_PROXY, or anyone could send the header'],
  },
  {
    name: 'what is no header',
    env: { TRUST_PROXY: '1', CLIENT_CERTIFICATE_HEADER: 'X: y' },
    problems: ['CLIENT_CERTIFICATE_HEADER: must be a header name'],
  },
  {
    name: 'one port for both listeners',
    env: { PORT: '3001' },
    problems: ['MANAGEMENT_PORT: is PORT too; use another, or 0 for none'],
  },
  {
    name: 'idle limits above the absolute ones',
    env: {
      REFRESH_TOKEN_IDLE: '100',
      REFRESH_TOKEN_TTL: '60',
      SESSION_IDLE: '100',
      SESSION_TTL: '60',
    },
    problems: [
      'REFRESH_TOKEN_IDLE: longer than REFRESH_TOKEN_TTL',
      'SESSION_IDLE: longer than SESSION_TTL',
    ],
  },
  {
    name: 'keys that are replaced before they are published',
    env: { KEY_ROTATION_DAYS: '1', KEY_PUBLISH_SECONDS: '86400' },
    problems: ['KEY_PUBLISH_SECONDS: not shorter than KEY_ROTATION_DAYS'],
  },
  {
    name: 'an unknown log level',
    env: { LOG_LEVEL: 'loud' },
    problems: ['LOG_LEVEL: must be one of fatal, error, warn, info, debug, trace, silent'],
  },
  {
    name: 'what is neither true nor false',
    env: { DPOP_REQUIRE_NONCE: 'perhaps' },
    problems: ['DPOP_REQUIRE_NONCE: must be true or false'],
  },
  {
    name: 'a product name that fits no page',
    env: { PRODUCT_NAME: 'x'.repeat(61) },
    problems: ['PRODUCT_NAME: is longer than 60 characters'],
  },
  {
    name: 'a lifetime out of range',
    env: { ACCESS_TOKEN_TTL: '5' },
    problems: ['ACCESS_TOKEN_TTL: must be a whole number of seconds from 60 to 86400'],
  },
  {
    name: 'everything at once: malformed, missing and unsafe, in one error',
    env: {
      ...PRODUCTION,
      PORT: 'x',
      ISSUER: 'http://id.example.com',
      PLINTO_SECRET: 'short',
      DYNAMIC_REGISTRATION: 'open',
    },
    problems: [
      'PORT: must be a whole number from 1 to 65535',
      'PLINTO_SECRET: the secret is shorter than 32 characters',
      'ISSUER: http://id.example.com is not https; only localhost may be served without TLS',
      'DYNAMIC_REGISTRATION: "open" lets anyone register a client; use "token" in production',
    ],
  },
];

describe('settings', () => {
  test.each(ACCEPTED)('accepted: $name', ({ env }) => {
    expect(problemsOf(() => parseConfig(env))).toEqual([]);
  });

  test.each(REFUSED)('security 29: refused: $name', ({ env, problems }) => {
    expect(problemsOf(() => parseConfig(env))).toEqual(problems);
  });

  test('one problem is said in one line, several as a list', () => {
    const one = new ConfigError(['PORT: bad']).message;
    expect(one).toBe('the configuration has a problem: PORT: bad');
    const two = new ConfigError(['PORT: bad', 'HOST: bad']).message;
    expect(two).toBe('the configuration has 2 problems:\n  - PORT: bad\n  - HOST: bad');
  });

  test.each([
    { env: {}, issuer: 'http://localhost:3000', basePath: '', host: '127.0.0.1', secure: false },
    { env: { PORT: '8080' }, issuer: 'http://localhost:8080', basePath: '', secure: false },
    { env: PRODUCTION, issuer: 'https://id.example.com', host: '0.0.0.0', secure: true },
    { env: { ISSUER: 'HTTPS://ID.Example.com:443/' }, issuer: 'https://id.example.com' },
    { env: { ISSUER: 'https://e.com/id/' }, issuer: 'https://e.com/id', basePath: '/id' },
    { env: { ISSUER: 'https://e.com//' }, issuer: 'https://e.com', basePath: '' },
  ])('issuer and listener of $env', ({ env, ...expected }) => {
    expect(parseConfig(env)).toMatchObject(expected);
  });

  test('outbound requests reach loopback in development only', () => {
    expect(parseConfig({}).outboundAllow).toEqual(['127.0.0.0/8', '::1/128']);
    expect(parseConfig(PRODUCTION).outboundAllow).toEqual([]);
  });

  test('nobody changes them later', () => {
    const config = parseConfig({}) as { port: number; ttl: { session: number } };
    expect(() => {
      config.ttl.session = 1;
    }).toThrow(TypeError);
  });
});

describe('where settings come from', () => {
  test.each([
    { name: '.env', dotEnv: 'PORT=4000\n', env: {}, port: 4000 },
    { name: 'the environment before .env', dotEnv: 'PORT=4000', env: { PORT: '5000' }, port: 5000 },
    { name: 'a file', dotEnv: '', env: { PORT_FILE: 'value' }, port: 6000 },
    { name: 'a file that .env names', dotEnv: 'PORT_FILE=value', env: {}, port: 6000 },
    {
      name: 'the environment before a file that .env names',
      dotEnv: 'PORT_FILE=value',
      env: { PORT: '5000' },
      port: 5000,
    },
    {
      name: 'a file before .env',
      dotEnv: 'PORT=4000',
      env: { PORT_FILE: 'value' },
      port: 6000,
    },
    {
      name: 'a file, its variable being empty',
      dotEnv: '',
      env: { PORT: '', PORT_FILE: 'value' },
      port: 6000,
    },
  ])('$name', ({ dotEnv, env, port }) => {
    const folder = makeFolder({ value: '6000\n' });
    const resolve = (text: string) => text.replace(/value$/, join(folder, 'value'));
    writeFileSync(join(folder, '.env'), resolve(dotEnv));
    const named = Object.entries(env).map(([name, value]) => [name, resolve(value)]);
    expect(loadConfig(folder, Object.fromEntries(named)).port).toBe(port);
  });

  test('files that cannot be read are listed with everything else, and not as missing', () => {
    const folder = makeFolder({});
    const env = {
      DATABASE_URL: PRODUCTION.DATABASE_URL,
      PLINTO_SECRET_FILE: join(folder, 'nowhere'),
      PORT: 'x',
      LOG_LEVEL: 'info',
      LOG_LEVEL_FILE: join(folder, 'nowhere'),
    };
    expect(problemsOf(() => loadConfig(folder, env))).toEqual([
      expect.stringMatching(/^PLINTO_SECRET: PLINTO_SECRET_FILE can't be read: ENOENT/),
      'LOG_LEVEL: LOG_LEVEL_FILE is set too: keep one of them',
      'PORT: must be a whole number from 1 to 65535',
      'ISSUER: required with DATABASE_URL; the public URL of this installation',
    ]);
  });

  test('a secret is taken from its file without the line break', () => {
    const folder = makeFolder({ secret: `${SECRET}\n` });
    chmodSync(join(folder, 'secret'), 0o400);
    const env = { PLINTO_SECRET_FILE: join(folder, 'secret') };
    expect(loadConfig(folder, env).secrets).toEqual([SECRET]);
  });
});

describe('docs/config.md', () => {
  const file = new URL('../../docs/config.md', import.meta.url);

  test('is what `npm run docs` makes', () => {
    expect(readFileSync(file, 'utf8')).toBe(configMarkdown());
  });

  test.each(VARIABLES as readonly Variable[])('$name has a default and a meaning', (variable) => {
    expect(variable.help).toMatch(/^[A-Z`].*[.]$/s);
    const fallback: unknown = variable.schema.parse(undefined);
    expect(fallback !== undefined || variable.fallback !== undefined).toBe(true);
  });
});

function makeFolder(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'plinto-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}
