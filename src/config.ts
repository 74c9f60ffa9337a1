import { isIP } from 'node:net';
import type { z } from 'zod';
import { type Problem, readEnvironment } from './config/environment.ts';
import { unsafeSettings } from './config/safety.ts';
import type { Variable } from './config/schemas.ts';
import { VARIABLES } from './config/variables.ts';

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
  /** Where messages go; without any of it, what needs them is off. */
  mail: Readonly<{ smtpUrl: string | undefined; from: string }>;
  sms: Readonly<{ webhookUrl: string | undefined; secret: string | undefined }>;
  /** Messages that nobody is configured to send are kept and shown at /dev/mail. */
  catchMessages: boolean;
  signUp: Readonly<{
    policy: 'open' | 'domains' | 'invitation' | 'closed';
    domains: readonly string[];
    blockedDomains: readonly string[];
    minSeconds: number;
  }>;
  emailSignIn: boolean;
  termsUrl: string | undefined;
  privacyUrl: string | undefined;
  profileAttributes: readonly Readonly<{ name: string; label: string }>[];
  passwordBreachCheckUrl: string | undefined;
  deletionGraceDays: number;
  organizationCreation: 'everyone' | 'administrators';
  mfa: Readonly<{
    policy: 'off' | 'optional' | 'required';
    factors: readonly ('passkey' | 'totp' | 'sms' | 'email')[];
    rememberDays: number;
    /** Hours until who lost all their factors gets in without; 0 for never. */
    recoveryDelayHours: number;
  }>;
  passkeys: Readonly<{
    rpId: string;
    /** Of the issuer first, then those that share its passkeys. */
    origins: readonly string[];
    aaguids: readonly string[];
    offerDays: number;
  }>;
  /** In lower case. */
  placeHeader: string | undefined;
  /** Servers that are asked for DNS records, as ip[:port]; none for the system's. */
  dns: Readonly<{
    servers: readonly string[];
    /** Milliseconds that a server is waited for. */
    timeout: number;
  }>;
  /** Networks that outbound requests may reach although they are private. */
  outboundAllow: readonly string[];
}>;

/** Everything that is wrong with the settings, at once: one line for one problem, else a list. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `the configuration has a problem: ${problems[0]}`
        : `the configuration has ${problems.length} problems:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * The settings of the process environment over those of the `.env` file in `folder`.
 *
 * @throws ConfigError listing every problem: unreadable files, malformed values, and settings that
 *   are unsafe for what is being run (security 29).
 */
export function loadConfig(folder: string, env: NodeJS.ProcessEnv): Config {
  const { values, problems } = readEnvironment(folder, env);
  return checkConfig(values, problems);
}

/** {@link loadConfig} for settings that are at hand. @throws ConfigError listing every problem. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  return checkConfig(env, []);
}

function checkConfig(env: Record<string, string | undefined>, found: readonly Problem[]): Config {
  const problems = [...found];
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const values: Record<string, unknown> = {};
  for (const { name, schema } of VARIABLES as readonly Variable[]) {
    const parsed = schema.safeParse(given[name]);
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map(({ message }) => ({ name, text: message })));
    }
    values[name] = parsed.success ? parsed.data : schema.parse(undefined);
  }
  const config = shapeConfig(values as Values);
  // A setting that was given but is malformed isn't also reported as missing.
  const malformed = new Set(problems.map(({ name }) => name));
  problems.push(...unsafeSettings(config, given).filter(({ name }) => !malformed.has(name)));
  if (problems.length > 0) {
    throw new ConfigError(problems.map(({ name, text }) => `${name}: ${text}`));
  }
  return deepFreeze(config);
}

type Values = {
  [V in (typeof VARIABLES)[number] as V['name']]: z.output<V['schema']>;
};

function shapeConfig(v: Values): Config {
  const production = v.DATABASE_URL !== undefined;
  const anyHost = production ? '0.0.0.0' : '127.0.0.1';
  // As browsers write it, because the Origin they send is compared with it.
  const url = new URL(v.ISSUER ?? `http://localhost:${v.PORT}`);
  const issuer = url.href.replace(/\/+$/, '');
  return {
    production,
    issuer,
    basePath: url.pathname.replace(/\/+$/, ''),
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
    ...shapeAccounts(v, production, url.hostname),
    mfa: {
      policy: v.MFA,
      factors: v.MFA_FACTORS.filter((factor) => factor !== 'passkey' || isDomain(url.hostname)),
      rememberDays: v.MFA_REMEMBER_DAYS,
      recoveryDelayHours: v.MFA_RECOVERY_DELAY_HOURS,
    },
    passkeys: {
      rpId: v.PASSKEY_RP_ID ?? url.hostname,
      origins: [url.origin, ...v.PASSKEY_ORIGINS],
      aaguids: v.PASSKEY_AAGUIDS,
      offerDays: v.PASSKEY_OFFER_DAYS,
    },
    outboundAllow: v.OUTBOUND_ALLOW ?? (production ? [] : ['127.0.0.0/8', '::1/128']),
  };
}

/** Passkeys belong to a domain: browsers refuse them at an address that is a number. */
function isDomain(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0;
}

function shapeAccounts(v: Values, production: boolean, hostname: string) {
  const sender = v.PRODUCT_NAME.replace(/[^\p{L}\p{N} ._-]/gu, '').trim();
  return {
    mail: {
      smtpUrl: v.SMTP_URL,
      from: v.MAIL_FROM ?? `${sender} <no-reply@${hostname}>`,
    },
    sms: { webhookUrl: v.SMS_WEBHOOK_URL, secret: v.SMS_WEBHOOK_SECRET },
    catchMessages: !production,
    signUp: {
      policy: v.SIGN_UP ?? (production ? 'invitation' : 'open'),
      domains: v.SIGN_UP_DOMAINS,
      blockedDomains: v.SIGN_UP_BLOCKED_DOMAINS,
      minSeconds: v.SIGN_UP_MIN_SECONDS,
    },
    emailSignIn: v.EMAIL_SIGN_IN,
    termsUrl: v.TERMS_URL,
    privacyUrl: v.PRIVACY_URL,
    profileAttributes: v.PROFILE_ATTRIBUTES,
    passwordBreachCheckUrl: v.PASSWORD_BREACH_CHECK_URL,
    deletionGraceDays: v.ACCOUNT_DELETION_GRACE_DAYS,
    organizationCreation: v.ORGANIZATION_CREATION,
    dns: { servers: v.DNS_SERVERS, timeout: v.DNS_TIMEOUT },
    placeHeader: v.PLACE_HEADER?.toLowerCase(),
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) deepFreeze(child);
  }
  return Object.freeze(value);
}
