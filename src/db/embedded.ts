import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type Binaries, findBinaries } from './embedded-binaries.ts';
import { claimUse, keepLease } from './embedded-lease.ts';
import { type Account, chooseDataDir, makeFolder } from './embedded-place.ts';
import {
  choosePort,
  findPostmaster,
  initialise,
  type Starting,
  SUPERUSER,
  spawnPostmaster,
  stopPostmaster,
} from './embedded-postmaster.ts';
import { type EmbeddedState, readState, withFolderLock, writeState } from './embedded-state.ts';

/** The database inside the embedded server; also the name of its superuser. */
const DATABASE = 'plinto';
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 20;
/** SQLSTATEs that waiting does not cure: wrong password or role (class 28), too many connections. */
const HOPELESS = /^(28...|53300)$/;

/**
 * An embedded server in use. `url` carries the superuser's password and stays the same between runs
 * as long as its port can be had; `stop` ends this process's use, and the server with it unless
 * another process uses it too (it waits until the server is gone).
 */
export type EmbeddedDatabase = { url: string; dataDir: string; stop(): Promise<void> };

/** Everything that starting a server needs to know. */
type Home = {
  dir: string;
  dataDir: string;
  account: Account | undefined;
  state: EmbeddedState;
  settings: Record<string, string>;
};

/**
 * Starts the server kept under `dir` (created, initialised on first use), or joins the one that
 * already runs there, whoever started it. `settings` are PostgreSQL's own (name to value) and
 * count only when this call starts the server. Processes that open one folder at the same moment
 * share one server. Run as root, PostgreSQL runs as an unprivileged user, and the data is kept
 * elsewhere when that user cannot reach `dir`.
 * Throws an Error that names the cause and the way out (DATABASE_URL, or the log's last lines).
 */
export async function openEmbedded(options: {
  dir: string;
  settings?: Record<string, string>;
}): Promise<EmbeddedDatabase> {
  const dir = await makeFolder(options.dir);
  return withFolderLock(dir, async () => {
    const home = await prepareHome(dir, options.settings ?? {});
    const { client, port } = await joinOrStart(home);
    try {
      await ensureDatabase(client);
      if (port !== home.state.port) await writeState(dir, { ...home.state, port });
    } catch (error) {
      await client.end();
      throw error;
    }
    const claimAgain = () =>
      claimUse({ port, dataDir: home.dataDir }, SUPERUSER, home.state.password);
    const lease = keepLease(client, claimAgain);
    let stopped: Promise<void> | undefined;
    const stop = () =>
      withFolderLock(dir, async () => {
        if (await lease.release()) await stopPostmaster(home.dataDir);
      });
    return {
      url: `postgres://${SUPERUSER}:${home.state.password}@127.0.0.1:${port}/${DATABASE}`,
      dataDir: home.dataDir,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  });
}

/** Settles where the data is and which secret guards it, and writes both down before first use. */
async function prepareHome(dir: string, settings: Record<string, string>): Promise<Home> {
  const known = await readState(dir);
  const { dataDir, account, inside } = await chooseDataDir(dir, known);
  if (known === undefined && (await isInitialised(dataDir))) {
    throw new Error(
      `${dataDir} has a database, but ${join(dir, 'postgres.json')}, which holds its password, is ` +
        'missing. Restore it, move the data away to begin empty, or set DATABASE_URL.',
    );
  }
  const state: EmbeddedState = {
    port: known?.port ?? (await choosePort(undefined)),
    // Hexadecimal: needs no escaping in a URL.
    password: known?.password ?? randomBytes(24).toString('hex'),
    dir,
    ...(inside ? {} : { dataDir }),
  };
  if (known === undefined || known.dir !== dir) await writeState(dir, state);
  return { dir, dataDir, account, state, settings };
}

async function isInitialised(dataDir: string): Promise<boolean> {
  return (await stat(join(dataDir, 'PG_VERSION')).catch(() => undefined)) !== undefined;
}

/** Ends with a claim on the only server of this folder. Call it under the folder's lock. */
async function joinOrStart(home: Home): Promise<{ client: Client; port: number }> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let starting: Starting | undefined;
  let binaries: Binaries | undefined;
  let problem: unknown;
  while (performance.now() < deadline) {
    const running = await findPostmaster(home.dataDir);
    if (running?.port !== undefined) {
      try {
        const at = { port: running.port, dataDir: home.dataDir };
        return { client: await claimUse(at, SUPERUSER, home.state.password), port: running.port };
      } catch (error) {
        // Starting up, recovering, or on its way down because the last user has just left it.
        problem = error;
        if (HOPELESS.test(String((error as { code?: string }).code))) break;
      }
    } else if (running === undefined && (starting === undefined || starting.hasEnded())) {
      const log = await starting?.logTail();
      if (log !== undefined && !isPassing(log)) throw new Error(explain(home, log));
      binaries ??= await prepareData(home);
      starting = await spawnPostmaster(
        binaries,
        {
          ...home,
          logFile: join(home.dir, 'postgres.log'),
          port: await choosePort(home.state.port),
        },
        home.settings,
      );
    }
    await delay(POLL_MS);
  }
  const reason = (problem as Error | undefined)?.message ?? 'no answer';
  throw new Error(explain(home, (await starting?.logTail()) ?? reason), { cause: problem });
}

/**
 * Failures that another try may cure: the port was taken since it was chosen; backends of a killed
 * postmaster are still ending; a postmaster whose parent was killed in this moment came first.
 */
function isPassing(log: string): boolean {
  return /Address already in use|pre-existing shared memory block|"postmaster.pid" already exists/.test(
    log,
  );
}

function explain(home: Home, log: string): string {
  return (
    `The embedded PostgreSQL in ${home.dataDir} did not start. Its log, ` +
    `${join(home.dir, 'postgres.log')}, ends with:\n${log.trim()}\n` +
    'Set DATABASE_URL to use a PostgreSQL of your own.'
  );
}

/** Finds the programs and makes sure there is data they can work on. */
async function prepareData(home: Home): Promise<Binaries> {
  const binaries = await findBinaries(home.account);
  if (!(await isInitialised(home.dataDir))) {
    await initialise(binaries, home.dataDir, home.account, home.state.password);
  }
  const theirs = (await readFile(join(home.dataDir, 'PG_VERSION'), 'utf8')).trim();
  if (theirs !== binaries.version.split('.')[0]) {
    throw new Error(
      `${home.dataDir} was made by PostgreSQL ${theirs}; the one installed is ${binaries.version}. ` +
        'Export with the former release and import with this one, or set DATABASE_URL.',
    );
  }
  return binaries;
}

async function ensureDatabase(client: Client): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
  if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}
