import { createSocket, type RemoteInfo } from 'node:dgram';
import { type Answer, decode, encode, RECURSION_AVAILABLE } from 'dns-packet';

/** What a name answers with: texts (each whole, or in chunks), another name's, a failure, or silence. */
export type ZoneEntry =
  | { txt: (string | string[])[] }
  | { cname: string }
  | 'SERVFAIL'
  | 'REFUSED'
  | 'silence';

export type DnsServer = {
  /** As DNS_SERVERS takes it. */
  address: string;
  /** Entries by name in lower case; `*.` in front stands for all names below. What isn't here is NXDOMAIN. */
  zone: Map<string, ZoneEntry>;
  /** Every name that was asked for, in order. */
  asked: string[];
  close: () => Promise<void>;
};

const NXDOMAIN = 3;
const FAILURES = { SERVFAIL: 2, REFUSED: 5 } as const;
const AUTHORITATIVE = 1 << 10;

/** A real name server on loopback, which resolves aliases within its zone as resolvers do. */
export async function startDnsServer(): Promise<DnsServer> {
  const zone = new Map<string, ZoneEntry>();
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    if (id === undefined || question === undefined) return;
    asked.push(question.name);
    const { answers, rcode } = answer(zone, question.name);
    if (rcode === 'silence') return;
    send(socket, from, {
      type: 'response',
      id,
      flags: AUTHORITATIVE | RECURSION_AVAILABLE | rcode,
      questions,
      answers,
    });
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    zone,
    asked,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

function send(
  socket: ReturnType<typeof createSocket>,
  { port, address }: RemoteInfo,
  packet: Parameters<typeof encode>[0],
): void {
  socket.send(encode(packet), port, address);
}

function answer(
  zone: ReadonlyMap<string, ZoneEntry>,
  asked: string,
): { answers: Answer[]; rcode: number | 'silence' } {
  const answers: Answer[] = [];
  let name = asked;
  // Aliases of aliases, but not in circles.
  for (let hops = 0; hops < 8; hops += 1) {
    const entry = lookUp(zone, name.toLowerCase());
    if (entry === undefined) return { answers, rcode: NXDOMAIN };
    if (entry === 'silence') return { answers, rcode: 'silence' };
    if (typeof entry === 'string') return { answers: [], rcode: FAILURES[entry] };
    if ('txt' in entry) {
      for (const text of entry.txt) {
        answers.push({ type: 'TXT', name, ttl: 1, data: [text].flat().flatMap(chunksOf) });
      }
      return { answers, rcode: 0 };
    }
    answers.push({ type: 'CNAME', name, ttl: 1, data: entry.cname });
    name = entry.cname;
  }
  return { answers: [], rcode: FAILURES.SERVFAIL };
}

function lookUp(zone: ReadonlyMap<string, ZoneEntry>, name: string): ZoneEntry | undefined {
  const labels = name.split('.');
  const wildcards = labels.map((_, i) => `*.${labels.slice(i + 1).join('.')}`);
  for (const candidate of [name, ...wildcards]) {
    const entry = zone.get(candidate);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** A text in the lengths that a record has room for (RFC 1035 §3.3). */
function chunksOf(text: string): string[] {
  return text.match(/.{1,255}/gs) ?? [''];
}
