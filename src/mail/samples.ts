import type { MailTemplate, MailTemplates } from './mail.ts';

/** What each template is filled with to be looked at; links start with the issuer. */
export function sampleVars(issuer: string): { [T in MailTemplate]: MailTemplates[T] } {
  const account = `${issuer}/account`;
  const token = 'uF3q0cS8yq1nVt5mX2pLr7wKd9zBhGjA4eQoTiYsUvE';
  const at = '2027-03-04T17:05:00Z';
  return {
    'sign-up-code': { code: '40718253', url: `${issuer}/verify-email/${token}` },
    'sign-up-existing': { url: account },
    invitation: { url: `${issuer}/invitation/${token}`, days: '7' },
    'sign-in-code': { code: '07394162', url: `${issuer}/sign-in/${token}` },
    'second-factor-code': { code: '93605172' },
    'reset-password': { url: `${issuer}/reset-password/${token}` },
    'reset-required': { url: `${issuer}/reset-password/${token}`, days: '1' },
    'password-changed': { url: `${account}/sessions` },
    'change-email-code': { code: '59203847' },
    'email-changed': { email: 'a•••@example.org', url: `${account}/sessions` },
    'new-device': { device: 'Firefox on Linux', place: 'Lisbon, Portugal', at, url: account },
    'deletion-requested': { at, url: account },
    'deletion-cancelled': { url: account },
    'account-deleted': {},
    'factor-added': { factor: 'passkey', url: `${account}/password` },
    'factor-removed': { factor: 'totp', url: `${account}/password` },
    'recovery-code-used': { left: '7', url: `${account}/password` },
    'recovery-codes-few': { left: '2', url: `${account}/password` },
    'recovery-codes-created': { url: `${account}/password` },
    'passkey-suspicious': { passkey: 'Security key', url: `${account}/password` },
    'mfa-reset': { url: `${account}/password` },
    'mfa-recovery-started': { at, url: `${issuer}/lost-factors/${token}` },
    'mfa-recovery-cancelled': { url: `${account}/password` },
    'mfa-recovered': { url: `${account}/password` },
    'recover-factors-code': { code: '81640295' },
    'organization-domain-lost': {
      domain: 'acme.example',
      organization: 'Acme',
      url: `${account}/organizations/acme/domains`,
    },
    'organization-deletion-requested': {
      organization: 'Acme Industries',
      at,
      url: `${account}/organizations`,
    },
    'organization-deletion-cancelled': {
      organization: 'Acme Industries',
      url: `${account}/organizations/acme`,
    },
    'organization-deleted': { organization: 'Acme Industries' },
    'organization-owner': {
      organization: 'Acme Industries',
      url: `${account}/organizations/acme`,
    },
    'organization-removed': { organization: 'Acme Industries', url: `${account}/organizations` },
    'organization-invitation': {
      organization: 'Acme Industries',
      inviter: 'Ada Lovelace',
      message: 'Welcome to the team!\nWe plan the next release here.',
      url: `${issuer}/join/${token}`,
      days: '7',
    },
  };
}
