import { chmod, chown, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuid } from 'uuid';
import { z } from 'zod';

const STATE_FILE = 'postgres.json';
const LOCK_FILE = 'postgres.lock';
const LOCK_TIMEOUT_MS = 180_000;
const LOCK_POLL_MS = 20;
const SQLITE_BUSY = 5;

const stateSchema = z.object({
  port: z.int().min(1).max(65_535),
  password: z.string().min(1),
  /** Where the data is when it could not be kept inside the folder, else absent. */
  dataDir: z.string().optional(),
  /** The folder this file was written in: tells a copied folder from a moved one. */
  dir: z.string(),
});

/** What a folder remembers of its server between runs. The password is the superuser's. */
export type EmbeddedState = z.infer<typeof stateSchema>;

/** Whether this process may act for every user, and so must not run PostgreSQL as itself. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Gives a file that root wrote in `dir` to whoever owns `dir`, so that the owner can still run
 * Plinto there after one `sudo npm start`.
 */
export async function giveToOwner(path: string, dir: string): Promise<void> {
  if (!isRoot()) return;
  const owner = await stat(dir);
  if (owner.uid !== 0) await chown(path, owner.uid, owner.gid);
}

/**
 * Reads the state of the server kept under `dir`; undefined before the first use.
 * Throws when the file belongs to another user or is not what writeState wrote.
 */
export async function readState(dir: string): Promise<EmbeddedState | undefined> {
  const path = join(dir, STATE_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(
      `Cannot read ${path}, the state of the embedded PostgreSQL: ${(cause as Error).message}. ` +
        'It may belong to another user: run Plinto as that user, or set DATABASE_URL.',
      { cause },
    );
  }
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(
      `${path} is damaged; it holds the password and the place of the embedded PostgreSQL. ` +
        'Restore it, move its folder away to begin with an empty database, or set DATABASE_URL.',
      { cause },
    );
  }
}

/** Replaces the state under `dir` atomically; readable by its owner only. Call it under the lock. */
export async function writeState(dir: string, state: EmbeddedState): Promise<void> {
  const path = join(dir, STATE_FILE);
  const partial = `${path}.${uuid()}`;
  try {
    await writeFile(partial, `${JSON.stringify(state, null, 2)}\n`, {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
    await giveToOwner(partial, dir);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw cause;
  }
}

/**
 * Runs `work` while no other process (and no other caller in this one) runs work under the lock of
 * the same folder. The lock is SQLite's, that is the kernel's: it ends with the process that holds
 * it, however that process ends, so nothing stale is ever left. Throws after three minutes of waiting.
 */
export async function withFolderLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  // Loaded here: Node 22 prints a warning when it loads, and production never needs it.
  const { DatabaseSync } = await import('node:sqlite');
  const path = join(dir, LOCK_FILE);
  const lock = new DatabaseSync(path);
  try {
    const deadline = performance.now() + LOCK_TIMEOUT_MS;
    while (!tryLock(lock)) {
      if (performance.now() > deadline) {
        throw new Error(`Another process has been starting the database in ${dir} for too long`);
      }
      await delay(LOCK_POLL_MS);
    }
    // By path, never through a second descriptor: closing one would drop the lock (fcntl(2)).
    await chmod(path, 0o600);
    await giveToOwner(path, dir);
    return await work();
  } finally {
    lock.close();
  }
}

function tryLock(lock: { exec(sql: string): void }): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
