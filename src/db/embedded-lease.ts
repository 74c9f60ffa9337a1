import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

/**
 * The advisory lock that says "I use this server": shared by every process that does, exclusive for
 * the one that stops it. Session-level, so it ends with the process, however that ends. It lives in
 * the `postgres` database, whose connections do not hinder cloning or dropping ours.
 */
const USE_LOCK = 0x706c_696e;
const CONNECT_TIMEOUT_MS = 5000;
const RENEW_INTERVAL_MS = 250;
const RENEW_TRIES = 240;

/** This process's claim on a running embedded server. */
export type Lease = {
  /** Gives the claim up; true when nobody else holds one, and so the server may be stopped. */
  release(): Promise<boolean>;
};

/**
 * Connects to the server at `port` and claims its use. The password proves both sides (SCRAM, RFC
 * 5802 §3), so another program on that port is never taken for ours.
 * Throws pg's errors, and when the server works on another folder than `dataDir`.
 */
export async function claimUse(
  at: { port: number; dataDir: string },
  user: string,
  password: string,
): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port: at.port,
    user,
    password,
    database: 'postgres',
    ssl: false,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'plinto lease',
  });
  // Without a listener the loss of an idle connection would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    const theirs = rows[0]?.data_directory ?? '';
    if (!(await isSameFolder(theirs, at.dataDir))) {
      throw new Error(`The PostgreSQL on port ${at.port} works on ${theirs}, not ${at.dataDir}`);
    }
    await client.query('SELECT pg_advisory_lock_shared($1)', [USE_LOCK]);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function isSameFolder(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(a), stat(b)]);
  return first.dev === second.dev && first.ino === second.ino;
}

/**
 * Holds a claim until released, and claims anew when its connection is lost (PostgreSQL closes all
 * connections when one of its backends crashes). Does not keep the process alive.
 */
export function keepLease(first: Client, claimAgain: () => Promise<Client>): Lease {
  let client: Client | undefined;
  const released = new AbortController();
  let renewal: Promise<void> = Promise.resolve();

  const hold = (claimed: Client) => {
    client = claimed;
    setAlive(claimed, false);
    const lose = () => {
      if (client !== claimed) return;
      client = undefined;
      if (!released.signal.aborted) renewal = renew();
    };
    // A broken connection says 'error' first and 'end' some time later, or only the latter.
    claimed.once('error', lose);
    claimed.once('end', lose);
  };

  const renew = async () => {
    for (let tries = 0; tries < RENEW_TRIES && !released.signal.aborted; tries += 1) {
      const claimed = await claimAgain().catch(() => undefined);
      if (claimed !== undefined) {
        hold(claimed);
        return;
      }
      const options = { ref: false, signal: released.signal };
      await delay(RENEW_INTERVAL_MS, undefined, options).catch(() => undefined);
    }
  };

  hold(first);
  return {
    release: async () => {
      released.abort();
      await renewal;
      const held = client;
      if (held !== undefined) {
        try {
          return await giveUp(held);
        } catch {
          // Lost in this very moment: ask on a new connection.
        }
      }
      const last = await claimAgain().catch(() => undefined);
      // Nobody answers: the server is gone already, or not ours to judge.
      return last === undefined ? false : giveUp(last);
    },
  };
}

/** Ends the claim and its connection; true when nobody else has a claim. */
async function giveUp(client: Client): Promise<boolean> {
  setAlive(client, true);
  try {
    await client.query('SELECT pg_advisory_unlock_shared($1)', [USE_LOCK]);
    const { rows } = await client.query<{ free: boolean }>(
      'SELECT pg_try_advisory_lock($1) AS free',
      [USE_LOCK],
    );
    return rows[0]?.free ?? false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Whether the connection keeps the event loop running; the type of pg omits these methods. */
function setAlive(client: Client, isAlive: boolean): void {
  const socket = client as Client & { ref(): void; unref(): void };
  if (isAlive) socket.ref();
  else socket.unref();
}
