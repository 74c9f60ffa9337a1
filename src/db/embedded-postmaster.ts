import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { v7 as uuid } from 'uuid';
import { type Binaries, PROGRAM_ENV } from './embedded-binaries.ts';
import type { Account } from './embedded-place.ts';
import { giveToOwner } from './embedded-state.ts';

const run = promisify(execFile);

/** The role that owns everything in the embedded server; a superuser there. */
export const SUPERUSER = 'plinto';

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_BYTES = 3000;
const STOP_POLL_MS = 10;
const FAST_STOP_MS = 60_000;
/** Docker gives a container 64 MB of /dev/shm, too little for parallel queries. */
const ROOMY_SHM_BYTES = 256 * 1024 * 1024;

/** A living postmaster on a data folder; `port` is undefined unless it accepts connections. */
export type Postmaster = { pid: number; port: number | undefined };

/**
 * The postmaster that runs on `dataDir`, found through its postmaster.pid; undefined when there is
 * none, also when that file outlived its process or the process id now belongs to another program.
 * Source: the lines of postmaster.pid, src/include/utils/pidfile.h.
 */
export async function findPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  if (!(await isPostgresOn(pid, dataDir))) return undefined;
  return { pid, port: lines[7]?.trim() === 'ready' ? port : undefined };
}

/** Whether the process lives (a zombie does not) and is a PostgreSQL working in this very folder. */
async function isPostgresOn(pid: number, dataDir: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
      stdout: '',
    }));
    return stdout.includes('postgres') && stdout.includes(` ${dataDir} `);
  }
  try {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8');
    if (name.trim() !== 'postgres') return false;
    const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(dataDir)]);
    return theirs.dev === ours.dev && theirs.ino === ours.ino;
  } catch (error) {
    // Gone, or another user's process, which ours never is.
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return false;
    throw error;
  }
}

/**
 * Creates the data folder. It appears under its name complete or not at all, so an initdb that was
 * interrupted is simply done again. Call it under the folder's lock. Throws with initdb's output.
 */
export async function initialise(
  binaries: Binaries,
  dataDir: string,
  account: Account | undefined,
  password: string,
): Promise<void> {
  const prefix = `${basename(dataDir)}.partial-`;
  const above = dirname(dataDir);
  for (const name of await readdir(above)) {
    if (!name.startsWith(prefix)) continue;
    // An initdb whose parent was killed may still write there; it will fail, or be removed next time.
    await rm(join(above, name), { recursive: true, force: true }).catch(() => undefined);
  }
  const partial = join(above, `${prefix}${uuid()}`);
  const passwordFile = `${partial}.password`;
  try {
    await mkdir(partial, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (account !== undefined) {
      await chown(partial, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    const flags = ['-D', partial, '-U', SUPERUSER, `--pwfile=${passwordFile}`];
    flags.push('--auth=scram-sha-256', '--encoding=UTF8', '--no-sync', '--no-instructions');
    // The builtin provider sorts and folds the same on every machine, whatever locales it has.
    flags.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8');
    await run(join(binaries.bin, 'initdb'), flags, { cwd: '/', env: PROGRAM_ENV, ...account });
    await rename(partial, dataDir);
  } catch (cause) {
    // What initdb said, else that it could not be run.
    const output = (cause as { stderr?: string }).stderr || (cause as Error).message;
    throw new Error(
      `The embedded PostgreSQL could not create ${dataDir}: ${output.trim()}\n` +
        'Set DATABASE_URL to use a PostgreSQL of your own.',
      { cause },
    );
  } finally {
    await rm(passwordFile, { force: true });
    await rm(partial, { recursive: true, force: true });
  }
}

/** A postmaster being started: whether it has ended already, and what it wrote to the log so far. */
export type Starting = { hasEnded(): boolean; logTail(): Promise<string> };

/**
 * Starts a postmaster that outlives this process and Ctrl-C. Does not wait for it to be ready.
 * `port` is the port on 127.0.0.1; the log is kept in `logFile`. Call it under the folder's lock.
 */
export async function spawnPostmaster(
  binaries: Binaries,
  at: { dataDir: string; account: Account | undefined; logFile: string; port: number },
  settings: Record<string, string>,
): Promise<Starting> {
  // Ours to judge, not PostgreSQL's: it takes any living process with that id for a postmaster.
  await rm(join(at.dataDir, 'postmaster.pid'), { force: true });
  const size = await stat(at.logFile).then(
    (info) => info.size,
    () => 0,
  );
  const log = await open(at.logFile, size > LOG_LIMIT_BYTES ? 'w' : 'a', 0o600);
  const from = size > LOG_LIMIT_BYTES ? 0 : size;
  await giveToOwner(at.logFile, dirname(at.logFile));
  const all = { ...(await defaultSettings()), ...settings, ...network(at.port) };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(binaries.bin, 'postgres'), ['-D', at.dataDir, ...flags], {
    ...at.account,
    cwd: '/',
    detached: true,
    env: PROGRAM_ENV,
    stdio: ['ignore', log.fd, log.fd],
  });
  let failure: Error | undefined;
  let ended = false;
  child.once('error', (error) => {
    failure = error;
    ended = true;
  });
  child.once('exit', () => {
    ended = true;
  });
  child.unref();
  await log.close();
  return {
    hasEnded: () => ended,
    logTail: async () => failure?.message ?? readTail(at.logFile, from),
  };
}

/** Loopback TCP only: the path of a Unix socket may be longer than the system allows. */
function network(port: number): Record<string, string> {
  return { listen_addresses: '127.0.0.1', unix_socket_directories: '', port: String(port) };
}

/** Small, durable, and with as few helper processes as PostgreSQL can do with. */
async function defaultSettings(): Promise<Record<string, string>> {
  const shm = await statfs('/dev/shm').catch(() => undefined);
  const isRoomy = shm !== undefined && shm.bsize * shm.blocks >= ROOMY_SHM_BYTES;
  const posix = process.platform !== 'linux' || isRoomy;
  return {
    shared_buffers: '32MB',
    max_connections: '60',
    huge_pages: 'off',
    dynamic_shared_memory_type: posix ? 'posix' : 'mmap',
    io_method: 'sync',
    max_logical_replication_workers: '0',
    jit: 'off',
    fsync: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    log_checkpoints: 'off',
    logging_collector: 'off',
    log_destination: 'stderr',
  };
}

async function readTail(path: string, from: number): Promise<string> {
  const bytes = await readFile(path);
  return bytes.subarray(Math.max(from, bytes.length - LOG_TAIL_BYTES)).toString('utf8');
}

/**
 * A port on 127.0.0.1 that is free now: the preferred one if it can be had. Others are taken from
 * below the ranges that systems hand out to outgoing connections, so that it is likely to stay free.
 */
export async function choosePort(preferred: number | undefined): Promise<number> {
  const wanted = Array.from({ length: 20 }, () => randomInt(20_000, 30_000));
  if (preferred !== undefined) wanted.unshift(preferred);
  for (const port of [...wanted, 0]) {
    const free = await tryListen(port);
    if (free !== undefined) return free;
  }
  throw new Error('No free port on 127.0.0.1 for the embedded PostgreSQL');
}

async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    if (server.listening) await new Promise((closed) => server.close(closed));
  }
}

/**
 * Shuts the postmaster on `dataDir` down (fast: open sessions are cut, data is flushed) and waits
 * until it is gone; after a minute not even that. Call it under the folder's lock.
 */
export async function stopPostmaster(dataDir: string): Promise<void> {
  const found = await findPostmaster(dataDir);
  if (found === undefined) return;
  signal(found.pid, 'SIGINT');
  const deadline = performance.now() + FAST_STOP_MS;
  let isUrged = false;
  while (await isPostgresOn(found.pid, dataDir)) {
    if (!isUrged && performance.now() > deadline) {
      isUrged = true;
      signal(found.pid, 'SIGQUIT');
    }
    await delay(STOP_POLL_MS);
  }
}

function signal(pid: number, name: 'SIGINT' | 'SIGQUIT'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone in the meantime: what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
