import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { VARIABLES, type Variable } from './config-variables.ts';

export type Config = Readonly<{
  /** True with an external database: unsafe settings then refuse to start. */
  production: boolean;
  issuer: string;
  /** Path of the issuer without a trailing slash; '' at the root. */
  basePath: string;
  /** The issuer is https, so cookies are Secure and carry the __Host- or __Secure- prefix. */
  secure: boolean;
  host: string;
  port: number;
  management: Readonly<{ host: string; port: number }>;
  database: Readonly<{
    url: string | undefined;
    poolSize: number;
    /** Milliseconds. */
    statementTimeout: number;
  }>;
  dataDir: string;
  /** The first encrypts and signs; all decrypt and verify. Undefined until made in development. */
  secrets: readonly string[] | undefined;
  /** How many proxies in front set X-Forwarded-For; 0 trusts none. */
  trustProxy: number;
  logLevel: string;
  workers: number;
  productName: string;
  /** All in seconds. */
  ttl: Readonly<{
    accessToken: number;
    idToken: number;
    refreshToken: number;
    refreshTokenIdle: number;
    sessionIdle: number;
    session: number;
    interaction: number;
    deviceCode: number;
  }>;
  /** Seconds during which a rotated refresh token may be presented again; 0 turns it off. */
  refreshReuseLeeway: number;
  registration: 'off' | 'token' | 'open';
  clientIdMetadataDocument: boolean;
  dpopRequireNonce: boolean;
  /** Name of the header in which the TLS-terminating proxy passes the client certificate. */
  clientCertificateHeader: string | undefined;
  keys: Readonly<{ rotationDays: number; publishSeconds: number }>;
  passwordHashing: Readonly<{ concurrency: number; queue: number }>;
  /** Networks that outbound requests may reach although they are private. */
  outboundAllow: readonly string[];
}>;

/** Everything that is wrong with the settings, at once. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : 'problems'}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * The process environment over the `.env` file of a folder, with `NAME_FILE` resolved to the
 * content of the file it names (for secrets that an orchestrator mounts).
 *
 * @throws ConfigError naming each file that can't be read.
 */
export function loadEnvironment(folder: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const merged = { ...readDotEnv(folder), ...env };
  const problems: string[] = [];
  const result: Record<string, string> = {};
  for (const { name } of VARIABLES) {
    const file = merged[`${name}_FILE`];
    if (merged[name] !== undefined && file !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set: keep one of them`);
    }
    if (merged[name] !== undefined) result[name] = merged[name];
    else if (file !== undefined) {
      try {
        result[name] = readFileSync(file, 'utf8').trimEnd();
      } catch (error) {
        problems.push(`${name}_FILE: ${(error as Error).message}`);
      }
    }
  }
  if (merged.NODE_ENV !== undefined) result.NODE_ENV = merged.NODE_ENV;
  if (problems.length > 0) throw new ConfigError(problems);
  return result;
}

function readDotEnv(folder: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(`${folder}/.env`, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ConfigError([`.env: ${(error as Error).message}`]);
  }
}

/**
 * Checks settings and gives them typed and frozen.
 *
 * @throws ConfigError listing every problem: malformed values, and settings that are unsafe for
 *   what is being run (security 29).
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const shape = Object.fromEntries(VARIABLES.map((v: Variable) => [v.name, v.schema]));
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = z.object(shape).safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`));
  }
  const config = shapeConfig(parsed.data as Values);
  const problems = unsafeSettings(config, given);
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

type Values = {
  [V in (typeof VARIABLES)[number] as V['name']]: z.output<V['schema']>;
};

function shapeConfig(v: Values): Config {
  const production = v.DATABASE_URL !== undefined;
  const anyHost = production ? '0.0.0.0' : '127.0.0.1';
  const issuer = (v.ISSUER ?? `http://localhost:${v.PORT}`).replace(/\/$/, '');
  const url = new URL(issuer);
  return {
    production,
    issuer,
    basePath: url.pathname === '/' ? '' : url.pathname,
    secure: url.protocol === 'https:',
    host: v.HOST ?? anyHost,
    port: v.PORT,
    management: { host: v.MANAGEMENT_HOST ?? anyHost, port: v.MANAGEMENT_PORT },
    database: {
      url: v.DATABASE_URL,
      poolSize: v.DATABASE_POOL_SIZE,
      statementTimeout: v.DATABASE_STATEMENT_TIMEOUT * 1000,
    },
    dataDir: v.PLINTO_DATA_DIR,
    secrets: v.PLINTO_SECRET,
    trustProxy: v.TRUST_PROXY,
    logLevel: v.LOG_LEVEL,
    workers: v.PLINTO_WORKERS,
    productName: v.PRODUCT_NAME,
    ttl: {
      accessToken: v.ACCESS_TOKEN_TTL,
      idToken: v.ID_TOKEN_TTL,
      refreshToken: v.REFRESH_TOKEN_TTL,
      refreshTokenIdle: v.REFRESH_TOKEN_IDLE,
      sessionIdle: v.SESSION_IDLE,
      session: v.SESSION_TTL,
      interaction: v.INTERACTION_TTL,
      deviceCode: v.DEVICE_CODE_TTL,
    },
    refreshReuseLeeway: v.REFRESH_REUSE_LEEWAY,
    registration: v.DYNAMIC_REGISTRATION,
    clientIdMetadataDocument: v.CLIENT_ID_METADATA_DOCUMENT,
    dpopRequireNonce: v.DPOP_REQUIRE_NONCE,
    clientCertificateHeader: v.CLIENT_CERTIFICATE_HEADER?.toLowerCase(),
    keys: { rotationDays: v.KEY_ROTATION_DAYS, publishSeconds: v.KEY_PUBLISH_SECONDS },
    passwordHashing: {
      concurrency: v.PASSWORD_HASH_CONCURRENCY,
      queue: v.PASSWORD_HASH_QUEUE,
    },
    outboundAllow: v.OUTBOUND_ALLOW ?? (production ? [] : ['127.0.0.0/8', '::1/128']),
  };
}

/** True for hosts that a browser treats as trustworthy over http (Secure Contexts §3.1). */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

function unsafeSettings(config: Config, env: Record<string, string | undefined>): string[] {
  const problems: string[] = [];
  const url = new URL(config.issuer);
  if (!config.secure && !isLoopbackHost(url.hostname)) {
    problems.push(
      `ISSUER: ${config.issuer} is not https; only localhost may be served without TLS`,
    );
  }
  if (url.search || url.hash || url.username) {
    problems.push('ISSUER: must be a plain URL without query, fragment or credentials');
  }
  if (env.NODE_ENV === 'production' && !config.production) {
    problems.push(
      'DATABASE_URL: required with NODE_ENV=production; the embedded database is for development',
    );
  }
  if (config.production && config.secrets === undefined) {
    problems.push(
      'PLINTO_SECRET: required with DATABASE_URL; make one with `openssl rand -base64 48`',
    );
  }
  if (config.production && env.ISSUER === undefined) {
    problems.push('ISSUER: required with DATABASE_URL; the public URL of this installation');
  }
  if (config.production && config.registration === 'open') {
    problems.push(
      'DYNAMIC_REGISTRATION: "open" lets anyone register a client; use "token" in production',
    );
  }
  if (config.clientCertificateHeader !== undefined && config.trustProxy === 0) {
    problems.push('CLIENT_CERTIFICATE_HEADER: needs TRUST_PROXY, or anyone could send the header');
  }
  if (config.ttl.refreshTokenIdle > config.ttl.refreshToken) {
    problems.push('REFRESH_TOKEN_IDLE: longer than REFRESH_TOKEN_TTL');
  }
  if (config.ttl.sessionIdle > config.ttl.session) {
    problems.push('SESSION_IDLE: longer than SESSION_TTL');
  }
  return problems;
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) deepFreeze(child);
  }
  return Object.freeze(value);
}
