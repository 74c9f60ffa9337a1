import { isIP } from 'node:net';
import type { Config } from '../config.ts';
import type { Problem } from './environment.ts';

/** True for hosts that a browser treats as trustworthy over http (Secure Contexts §3.1). */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

/**
 * What must not be run: settings that are unsafe in production, and settings that contradict each
 * other (security 29).
 *
 * @param given the variables that are set.
 */
export function unsafeSettings(
  config: Config,
  given: Record<string, string | undefined>,
): Problem[] {
  return [
    ...issuerProblems(config),
    ...productionProblems(config, given),
    ...conflicts(config),
    ...messageProblems(config),
    ...factorProblems(config),
  ];
}

function issuerProblems({ issuer, secure }: Config): Problem[] {
  const name = 'ISSUER';
  const url = new URL(issuer);
  const problems: Problem[] = [];
  if (!secure && !isLoopbackHost(url.hostname)) {
    const text = `${issuer} is not https; only localhost may be served without TLS`;
    problems.push({ name, text });
  }
  if (/[?#]/.test(issuer) || url.username || url.password) {
    problems.push({ name, text: 'must be a plain URL without query, fragment or credentials' });
  }
  return problems;
}

function productionProblems(config: Config, given: Record<string, string | undefined>): Problem[] {
  if (!config.production) {
    if (given.NODE_ENV !== 'production') return [];
    const text = 'required with NODE_ENV=production; the embedded database is for development';
    return [{ name: 'DATABASE_URL', text }];
  }
  const problems: Problem[] = [];
  if (config.secrets === undefined) {
    const text = 'required with DATABASE_URL; make one with `openssl rand -base64 48`';
    problems.push({ name: 'PLINTO_SECRET', text });
  }
  if (given.ISSUER === undefined) {
    const text = 'required with DATABASE_URL; the public URL of this installation';
    problems.push({ name: 'ISSUER', text });
  }
  if (config.registration === 'open') {
    const text = '"open" lets anyone register a client; use "token" in production';
    problems.push({ name: 'DYNAMIC_REGISTRATION', text });
  }
  const everything = config.outboundAllow.find((network) => network.endsWith('/0'));
  if (everything !== undefined) {
    const text = `${everything} lets clients reach every private address; name the networks they need`;
    problems.push({ name: 'OUTBOUND_ALLOW', text });
  }
  return problems;
}

/** What can't work without messages, and what messages can't be sent without. */
function messageProblems({ mail, sms, catchMessages, signUp, emailSignIn }: Config): Problem[] {
  const problems: Problem[] = [];
  const mailOff = mail.smtpUrl === undefined && !catchMessages;
  if (mailOff && (signUp.policy === 'open' || signUp.policy === 'domains')) {
    const text = `"${signUp.policy}" needs SMTP_URL: addresses are verified by mail`;
    problems.push({ name: 'SIGN_UP', text });
  }
  if (signUp.policy === 'domains' && signUp.domains.length === 0) {
    problems.push({ name: 'SIGN_UP_DOMAINS', text: 'required with SIGN_UP=domains' });
  }
  if (mailOff && emailSignIn) problems.push({ name: 'EMAIL_SIGN_IN', text: 'needs SMTP_URL' });
  if (sms.webhookUrl !== undefined && sms.secret === undefined) {
    problems.push({ name: 'SMS_WEBHOOK_SECRET', text: 'required with SMS_WEBHOOK_URL' });
  }
  return problems;
}

/** Second factors that nobody could use. */
function factorProblems(config: Config): Problem[] {
  const { mfa, mail, sms, catchMessages } = config;
  const problems = passkeyProblems(config);
  const has = (factor: Config['mfa']['factors'][number]) => mfa.factors.includes(factor);
  // Also where it is optional: administrators need one of those that anybody can turn on anywhere.
  if (!has('totp') && !has('passkey')) {
    const text = isAddress(new URL(config.issuer).hostname)
      ? 'must have totp, which administrators need at least: passkeys need an ISSUER with a domain'
      : 'must have totp or passkey, which administrators need at least';
    problems.push({ name: 'MFA_FACTORS', text });
  }
  if (has('sms') && sms.webhookUrl === undefined && !catchMessages) {
    problems.push({ name: 'MFA_FACTORS', text: '"sms" needs SMS_WEBHOOK_URL' });
  }
  if (has('email') && mail.smtpUrl === undefined && !catchMessages) {
    problems.push({ name: 'MFA_FACTORS', text: '"email" needs SMTP_URL' });
  }
  if (mfa.recoveryDelayHours > 0 && mail.smtpUrl === undefined && !catchMessages) {
    problems.push({ name: 'MFA_RECOVERY_DELAY_HOURS', text: 'needs SMTP_URL' });
  }
  return problems;
}

/** Passkeys that browsers would refuse, or that more than the named sites could ask for. */
function passkeyProblems({ secure, mfa, passkeys }: Config): Problem[] {
  const problems: Problem[] = [];
  if (!mfa.factors.includes('passkey')) return problems;
  if (isAddress(passkeys.rpId)) {
    problems.push({ name: 'PASSKEY_RP_ID', text: 'must be a domain, not an address' });
  }
  const [, ...related] = passkeys.origins;
  const plain = related.find((origin) => !origin.startsWith('https:'));
  if (secure && plain !== undefined) {
    const text = `${plain} is not https, so any program on a person's machine could ask for passkeys`;
    problems.push({ name: 'PASSKEY_ORIGINS', text });
  }
  return problems;
}

function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}

function conflicts({ ttl, keys, ...config }: Config): Problem[] {
  const problems: Problem[] = [];
  if (config.clientCertificateHeader !== undefined && config.trustProxy === 0) {
    const text = 'needs TRUST_PROXY, or anyone could send the header';
    problems.push({ name: 'CLIENT_CERTIFICATE_HEADER', text });
  }
  if (config.management.port === config.port) {
    problems.push({ name: 'MANAGEMENT_PORT', text: 'is PORT too; use another, or 0 for none' });
  }
  if (ttl.refreshTokenIdle > ttl.refreshToken) {
    problems.push({ name: 'REFRESH_TOKEN_IDLE', text: 'longer than REFRESH_TOKEN_TTL' });
  }
  if (ttl.sessionIdle > ttl.session) {
    problems.push({ name: 'SESSION_IDLE', text: 'longer than SESSION_TTL' });
  }
  if (keys.publishSeconds >= keys.rotationDays * 86_400) {
    problems.push({ name: 'KEY_PUBLISH_SECONDS', text: 'not shorter than KEY_ROTATION_DAYS' });
  }
  return problems;
}
