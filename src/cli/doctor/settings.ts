import { isLoopbackHost } from '../../config/safety.ts';
import type { Config, ConfigError } from '../../config.ts';
import { bad, type Check, ok, warn } from './check.ts';

/** Milliseconds the public address has to answer. */
const REACH_TIMEOUT = 3000;

/**
 * Bits below which a secret can't have been made at random: 32 random hexadecimal digits estimate at
 * about 115.
 */
const MIN_BITS = 80;

/** What made the settings be refused. */
export function refusedSettings(error: ConfigError): Check[] {
  const fix = 'see docs/config.md, then `plinto config check`';
  return error.problems.map((problem) => bad('configuration', problem, fix));
}

/** What the settings alone tell. */
export function settingsChecks(config: Config): Check[] {
  return [
    kindCheck(config),
    issuerCheck(config),
    proxyCheck(config),
    ...secretStrength(config),
    ...passkeyChecks(config),
  ];
}

function kindCheck({ production }: Config): Check {
  if (production) return ok('setup', 'a production setup');
  return warn(
    'setup',
    'a development setup, on the embedded database',
    'for production set DATABASE_URL, ISSUER and PLINTO_SECRET',
  );
}

function issuerCheck({ issuer, secure }: Config): Check {
  if (secure) return ok('issuer', issuer);
  return warn('issuer', `${issuer} works on this machine only`, 'set ISSUER to an https address');
}

function proxyCheck({ secure, trustProxy, host }: Config): Check {
  const name = 'proxy';
  if (secure && trustProxy === 0) {
    return warn(
      name,
      'people come by https but Plinto listens without TLS, so a proxy is in front of it; as no ' +
        'proxy is trusted, all people seem to come from one address and are throttled together',
      'set TRUST_PROXY to how many proxies add to X-Forwarded-For, usually 1',
    );
  }
  if (trustProxy > 0 && !secure) {
    return warn(
      name,
      'X-Forwarded-For is believed, but nothing says that a proxy is in front',
      'unset TRUST_PROXY, or set ISSUER to the https address of the proxy',
    );
  }
  if (secure && isLoopbackHost(host)) {
    return ok(name, `${trustProxy} trusted, on this machine: nothing else reaches ${host}`);
  }
  return ok(name, trustProxy === 0 ? 'none' : `${trustProxy} trusted`);
}

function secretStrength({ secrets }: Config): Check[] {
  if (secrets === undefined) return [];
  return secrets.map((secret, i) => {
    const name = i === 0 ? 'secret' : 'old secret';
    if (bitsOf(secret) >= MIN_BITS) return ok(name, 'long and random enough');
    const fix = 'rotate it: `openssl rand -base64 48`, then PLINTO_SECRET=new,old';
    return warn(name, 'it repeats itself and may be guessed', fix);
  });
}

/** Whether browsers will take the domain that passkeys belong to (Web Authentication Level 3, §5.1.3). */
function passkeyChecks({ issuer, mfa, passkeys }: Config): Check[] {
  if (!mfa.factors.includes('passkey')) return [];
  const name = 'passkeys';
  const { rpId } = passkeys;
  const { hostname, origin } = new URL(issuer);
  if (hostname === rpId || hostname.endsWith(`.${rpId}`)) {
    return [ok(name, `belong to ${rpId}`)];
  }
  return [
    warn(
      name,
      `belong to ${rpId}, which isn't the host of ${issuer} nor a parent of it`,
      `serve {"origins":["${origin}"]} at https://${rpId}/.well-known/webauthn, or unset PASSKEY_RP_ID`,
    ),
  ];
}

/** Shannon's estimate from how often each character stands in it. */
function bitsOf(secret: string): number {
  const counts = new Map<string, number>();
  for (const char of secret) counts.set(char, (counts.get(char) ?? 0) + 1);
  const shares = [...counts.values()].map((n) => n / secret.length);
  return secret.length * -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
}

/** Whether the public address leads to this installation. */
export async function reachCheck({ issuer }: Config): Promise<Check> {
  const name = 'address';
  const url = `${issuer}/.well-known/openid-configuration`;
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(REACH_TIMEOUT),
    });
    const text = await response.text();
    const found = response.ok ? (JSON.parse(text) as { issuer?: string }).issuer : undefined;
    if (found === issuer) return ok(name, `${issuer} answers`);
    const said = found === undefined ? `answers with ${response.status}` : `says it is ${found}`;
    return bad(name, `${url} ${said}`, 'check ISSUER, and where the proxy leads');
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error && cause.message ? cause.message : message;
    const fix = 'start the server, or check DNS, proxy and certificate; from here it may be normal';
    return warn(name, `${issuer} doesn't answer: ${why}`, fix);
  }
}
