import { z } from 'zod';
import {
  attributes,
  count,
  domains,
  flag,
  nameServers,
  seconds,
  url,
  type Variable,
} from './schemas.ts';

/** Settings of mail, sign-up and accounts. */
export const ACCOUNT_VARIABLES = [
  {
    name: 'SMTP_URL',
    schema: url(
      /^smtps?$/,
      'must be a URL such as smtp://user:password@mail.example.com:587',
    ).optional(),
    secret: true,
    help: 'Server that mail is sent through; `smtps://` for TLS from the start, `smtp://` for STARTTLS. Percent-encode the user name and password.',
    fallback: 'none: mail is off; with the embedded database it is caught and shown at `/dev/mail`',
  },
  {
    name: 'MAIL_FROM',
    schema: z
      .string()
      .regex(/^[^\r\n]{1,300}$/, 'must be one line')
      .regex(
        /^([^<>]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/,
        'must be an address, or Name <address>',
      )
      .optional(),
    help: 'Sender of mails, for example `Example <login@example.com>`.',
    fallback: '`<PRODUCT_NAME> <no-reply@host of ISSUER>`',
  },
  {
    name: 'SMS_WEBHOOK_URL',
    schema: url(/^https?$/, 'must be a URL such as https://gateway.example.com/sms').optional(),
    help: 'Where text messages are posted as JSON (`to`, `text`), signed as Standard Webhooks ask.',
    fallback:
      'none: text messages are off; with the embedded database they are shown at `/dev/mail`',
  },
  {
    name: 'SMS_WEBHOOK_SECRET',
    schema: z.string().min(24, 'is shorter than 24 characters').optional(),
    secret: true,
    help: 'Key that text messages to the webhook are signed with; required with it.',
    fallback: 'none',
  },
  {
    name: 'SIGN_UP',
    schema: z
      .enum(
        ['open', 'domains', 'invitation', 'closed'],
        'must be one of open, domains, invitation, closed',
      )
      .optional(),
    help: 'Who may create an account: anyone (open), people with an address of `SIGN_UP_DOMAINS` (domains) or an invitation, only those with an invitation, or nobody (closed).',
    fallback: '`invitation`, or `open` with the embedded database',
  },
  {
    name: 'SIGN_UP_DOMAINS',
    schema: domains.default([]),
    help: 'Email domains that may sign up, between commas; required with `SIGN_UP=domains`.',
    fallback: 'none',
  },
  {
    name: 'SIGN_UP_BLOCKED_DOMAINS',
    schema: domains.default([]),
    help: 'Email domains that may not sign up, such as those of disposable mailboxes. Long lists are best given by file: `SIGN_UP_BLOCKED_DOMAINS_FILE`.',
    fallback: 'none',
  },
  {
    name: 'SIGN_UP_MIN_SECONDS',
    schema: seconds(2, 0, 60),
    help: 'Seconds a person takes at least to fill in the sign-up form; faster ones are asked to send it again. 0 turns it off.',
  },
  {
    name: 'EMAIL_SIGN_IN',
    schema: flag(false),
    help: 'Let people sign in with a code or link by mail instead of their password.',
  },
  {
    name: 'TERMS_URL',
    schema: url(/^https?$/, 'must be a URL such as https://example.com/terms').optional(),
    help: 'Terms that people agree to when they sign up.',
    fallback: 'none: nobody is asked',
  },
  {
    name: 'PRIVACY_URL',
    schema: url(/^https?$/, 'must be a URL such as https://example.com/privacy').optional(),
    help: 'Privacy notice that the sign-up page links to.',
    fallback: 'none',
  },
  {
    name: 'PROFILE_ATTRIBUTES',
    schema: attributes.default([]),
    help: 'Profile fields of your own as `name=Label`, between commas, for example `department=Department`. Apps with the `profile` scope get them as claims.',
    fallback: 'none',
  },
  {
    name: 'PASSWORD_BREACH_CHECK_URL',
    schema: url(
      /^https?$/,
      'must be a URL such as https://api.pwnedpasswords.com/range/',
    ).optional(),
    help: 'Service that new passwords are looked up at by the first five characters of their SHA-1 (k-anonymity). Without an answer in time the password passes.',
    fallback: 'none: nothing is looked up',
  },
  {
    name: 'ACCOUNT_DELETION_GRACE_DAYS',
    schema: count(14, 0, 365),
    help: 'Days between asking for deletion of an account and its end, in which signing in keeps it. 0 deletes at once.',
  },
  {
    name: 'ORGANIZATION_CREATION',
    schema: z
      .enum(['everyone', 'administrators'], 'must be one of everyone, administrators')
      .default('administrators'),
    help: 'Who may make organizations on their account pages: everyone who is signed in, or administrators of this installation only. `plinto org create` always may.',
  },
  {
    name: 'DNS_SERVERS',
    schema: nameServers.default([]),
    help: 'Name servers that are asked for the records with which organizations prove their domains, as `ip` or `ip:port` between commas. They decide whose a domain is: use ones that check DNSSEC, over a network you trust.',
    fallback: "the system's",
  },
  {
    name: 'DNS_TIMEOUT',
    schema: count(2000, 50, 10_000),
    help: 'Milliseconds until a name server that does not answer is asked again; the second time is the last.',
  },
  {
    name: 'PLACE_HEADER',
    schema: z
      .string()
      .regex(/^[\w-]+$/, 'must be a header name')
      .optional(),
    help: 'Header in which the proxy says where a request comes from, such as a city and country; shown in the list of sessions.',
    fallback: 'none',
  },
] as const satisfies readonly Variable[];
