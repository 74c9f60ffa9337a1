import type { Transporter } from 'nodemailer';
import type { Composed } from './compose.ts';

/** What is put into an envelope: one recipient, in the canonical form of an address. */
export type Envelope = Composed & { to: string; messageId: string };

export type MailTransport = {
  /** Hands a mail over. @throws MailRefused when trying again is no use, else what went wrong. */
  send: (mail: Envelope) => Promise<void>;
  /** Connects and signs in as for a mail. @throws what went wrong. */
  verify: () => Promise<void>;
};

/** The server refused the recipient or the mail for good. */
export class MailRefused extends Error {
  /** As the SMTP server answered (RFC 5321 §4.2). */
  readonly status: number;

  constructor(status: number) {
    super(`the mail server refused it with ${status}`);
    this.name = 'MailRefused';
    this.status = status;
  }
}

/** Milliseconds for connecting, for its greeting, and of silence. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;

/** Milliseconds a mail may take altogether, however steadily the server talks. */
const SEND_MS = 60_000;

/** Answers that speak of our credentials rather than of the mail (RFC 4954 §6). */
const ABOUT_LOGIN = [530, 534, 535, 538];

/**
 * Sends mail through an SMTP server, one connection each.
 *
 * @param options.from the sender, as `Name <address>` or an address
 * @param options.timeout milliseconds instead of the usual limits
 */
export function createSmtpTransport(options: {
  url: string;
  from: string;
  timeout?: number;
}): MailTransport {
  const from = parseSender(options.from);
  let opened: Promise<Transporter> | undefined;
  // Loaded with the first mail: a server that has sent none needn't hold the library.
  const open = (): Promise<Transporter> => {
    opened ??= import('nodemailer').then(({ createTransport }) =>
      createTransport({
        url: options.url,
        requireTLS: sendsPasswordAbroad(options.url),
        connectionTimeout: options.timeout ?? CONNECT_MS,
        greetingTimeout: options.timeout ?? CONNECT_MS,
        socketTimeout: options.timeout ?? SILENCE_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      }),
    );
    return opened;
  };
  return {
    send: async ({ to, messageId, subject, text, html }) => {
      const transporter = await open();
      try {
        await transporter.sendMail({
          from,
          to: { name: '', address: to },
          subject,
          text,
          html,
          messageId: `<${messageId}@${from.address.split('@').at(-1)}>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.timeout(SEND_MS),
        });
      } catch (error) {
        throw describeFailure(error);
      }
    },
    verify: async () => {
      await (await open()).verify();
    },
  };
}

/** The name and address in a value of MAIL_FROM. */
function parseSender(from: string): { name: string; address: string } {
  const [, name = '', address = from] = /^([^<>]*)<([^<>]+)>$/.exec(from) ?? [];
  return { name: name.trim().replace(/^"(.*)"$/, '$1'), address: address.trim() };
}

/** A password isn't sent in the clear to another machine, whatever the server offers (RFC 8314). */
function sendsPasswordAbroad(smtpUrl: string): boolean {
  const { password, hostname } = new URL(smtpUrl);
  return password !== '' && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

type Failure = { code?: string; command?: string; responseCode?: unknown; message?: string };

/** Messages of the library quote addresses, which have no place in logs and job tables. */
function describeFailure(error: unknown): Error {
  const { code = 'unknown', command = '', responseCode, message } = error as Failure;
  const status = typeof responseCode === 'number' ? responseCode : undefined;
  if (status !== undefined && isRefusal(command, status)) return new MailRefused(status);
  const answer = status === undefined ? '' : ` with ${status}`;
  // What went wrong with the connection is worth its words, and was before any address was named.
  const why = command === 'CONN' ? `: ${message}` : '';
  return new Error(`the mail server failed at ${command || 'sending'}: ${code}${answer}${why}`);
}

function isRefusal(command: string, status: number): boolean {
  return /^(RCPT TO|DATA)/.test(command) && status >= 500 && !ABOUT_LOGIN.includes(status);
}
