import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { domainToASCII } from 'node:url';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

/** A mail as it arrived: what mailparser makes of it, and where it was really sent. */
export type Message = ParsedMail & {
  /** Addresses of the envelope (RCPT TO), whatever the headers say. */
  recipients: string[];
  /** Everything that was sent, headers first, unparsed. */
  source: string;
};

export type Match = string | ((message: Message) => boolean);

/** A real SMTP server that keeps what it is sent. */
export type Mailbox = {
  /** Value of SMTP_URL. */
  url: string;
  port: number;
  /** In order of arrival. */
  messages: Message[];
  /**
   * The first message to an address, or that a predicate likes, as soon as there is one.
   * @param options.after how many of `messages` not to look at: take `messages.length` before an
   *   act to get what the act causes
   */
  waitFor: (match: Match, options?: { after?: number }) => Promise<Message>;
  /**
   * Answers with an SMTP status when this address is named, or once the mail to it has been taken,
   * from now on; undefined accepts again.
   */
  refuse: (address: string, status: number | undefined, at?: 'RCPT TO' | 'DATA') => void;
  /** Names that were signed in with, wrong passwords included. */
  logins: string[];
  /** How often a recipient was named, refused ones included. */
  tries: (address: string) => number;
  stop: () => Promise<void>;
};

type Login = { user: string; pass: string };

const LIMIT_MS = 20_000;

/** Starts a mailbox on a free port, or on the given one; with a login it insists on it. */
export async function startMailbox(
  options: { port?: number; login?: Login } = {},
): Promise<Mailbox> {
  const messages: Message[] = [];
  const arrivals = new EventEmitter().setMaxListeners(0);
  const refused = new Map<string, number>();
  const answerOf = (at: string, address: string): Error | null => {
    const status = refused.get(`${at} ${address}`);
    return status === undefined ? null : withStatus(status);
  };
  const tried: string[] = [];
  const logins: string[] = [];
  const { login } = options;
  const server = new SMTPServer({
    // Its certificate is one that nobody trusts.
    disabledCommands: ['STARTTLS', ...(login === undefined ? ['AUTH'] : [])],
    allowInsecureAuth: true,
    authOptional: login === undefined,
    onAuth: ({ username = '', password }, _session, done) => {
      logins.push(username);
      const known = username === login?.user && password === login?.pass;
      done(known ? null : withStatus(535), known ? { user: username } : undefined);
    },
    onRcptTo: (rcpt, _session, done) => {
      const address = canonical(rcpt.address);
      tried.push(address);
      done(answerOf('RCPT TO', address));
    },
    onData: (stream, { envelope }, done) => {
      const recipients = envelope.rcptTo.map(({ address }) => canonical(address));
      keep(stream, recipients).then(() => done(answerOf('DATA', recipients[0] ?? '')), done);
    },
  });
  const keep = async (stream: NodeJS.ReadableStream, recipients: string[]): Promise<void> => {
    let source = '';
    for await (const chunk of stream.setEncoding('utf8')) source += chunk;
    messages.push({ ...(await simpleParser(source)), recipients, source });
    arrivals.emit('message');
  };
  // A client that goes away in the middle, which tests cause, isn't the server's failure.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const credentials = login === undefined ? '' : `${login.user}:${login.pass}@`;
  return {
    url: `smtp://${credentials}127.0.0.1:${port}`,
    port,
    messages,
    logins,
    waitFor: (match, { after = 0 } = {}) => waitFor(messages, arrivals, match, after),
    refuse: (address, status, at = 'RCPT TO') => {
      if (status === undefined) refused.delete(`${at} ${address}`);
      else refused.set(`${at} ${address}`, status);
    },
    tries: (address) => tried.filter((recipient) => recipient === address).length,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The one-time code in a mail's text. @throws when there is none. */
export function codeIn({ text = '' }: ParsedMail): string {
  const code = /^\s*(\d{8})\s*$/m.exec(text)?.[1];
  if (code === undefined) throw new Error(`no code in:\n${text}`);
  return code;
}

/** The first link in a mail's text. @throws when there is none. */
export function linkIn({ text = '' }: ParsedMail): string {
  const link = /https?:\/\/[^\s<>"]+/.exec(text)?.[0];
  if (link === undefined) throw new Error(`no link in:\n${text}`);
  return link;
}

function waitFor(
  messages: Message[],
  arrivals: EventEmitter,
  match: Match,
  after: number,
): Promise<Message> {
  const likes = typeof match === 'string' ? (m: Message) => m.recipients.includes(match) : match;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const found = messages.slice(after).find(likes);
      if (found === undefined) return;
      end();
      resolve(found);
    };
    const limit = setTimeout(() => {
      end();
      const arrived = messages.map(({ recipients, subject }) => `${recipients}: ${subject}`);
      reject(new Error(`the mail did not arrive; what did:\n${arrived.join('\n')}`));
    }, LIMIT_MS);
    const end = (): void => {
      clearTimeout(limit);
      arrivals.off('message', look);
    };
    arrivals.on('message', look);
    look();
  });
}

/** The server shows Punycode as letters; we send and compare Punycode. */
function canonical(address: string): string {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at)}@${domainToASCII(address.slice(at + 1))}`;
}

function withStatus(status: number): Error {
  return Object.assign(new Error('refused'), { responseCode: status });
}
