import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { v7 as uuid } from 'uuid';
import { type EmbeddedState, isRoot, readState } from './embedded-state.ts';

const run = promisify(execFile);

/** The user that PostgreSQL runs as when Plinto itself is root. */
export type Account = { uid: number; gid: number };

/** Root's choice when nothing in the folder names a user: nobody on Linux, daemon on macOS. */
const UNPRIVILEGED: Account =
  process.platform === 'darwin' ? { uid: 1, gid: 1 } : { uid: 65_534, gid: 65_534 };

/**
 * Creates the folder when missing and gives its real path. What root creates below a user's folder
 * becomes that user's. Throws what the file system says.
 */
export async function makeFolder(dir: string): Promise<string> {
  const path = resolve(dir);
  // 0711 for root: the unprivileged account passes through to its data, and can list nothing.
  const first = await mkdir(path, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
  if (first !== undefined && isRoot()) {
    const above = dirname(first);
    const owner = await stat(above);
    for (let made = path; made !== above && owner.uid !== 0; made = dirname(made)) {
      await chown(made, owner.uid, owner.gid);
    }
  }
  return realpath(path);
}

/**
 * Who PostgreSQL runs as: undefined for an ordinary user (as itself), else the unprivileged owner
 * of the data or of the folder if it has a name, else nobody. PostgreSQL refuses to run as root.
 */
async function chooseAccount(dir: string, dataDir: string): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  for (const path of [dataDir, dir]) {
    const owner = await stat(path).catch(() => undefined);
    if (owner === undefined || owner.uid === 0) continue;
    const account = { uid: owner.uid, gid: owner.gid };
    if (await hasName(account)) return account;
  }
  return UNPRIVILEGED;
}

/** initdb refuses a user id without a name: the owner of a folder mounted into a container. */
async function hasName(account: Account): Promise<boolean> {
  return run('id', ['-un'], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

/** Whether the account may pass through `path` and every folder above it. Looks at modes only. */
async function canReach(path: string, account: Account): Promise<boolean> {
  for (const folder of ancestors(path)) {
    const { uid, gid, mode } = await stat(folder);
    const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & search) === 0) return false;
  }
  return true;
}

/**
 * Folders outside the checkout that root controls and the account reaches, best first; created on
 * the way. A place that somebody else could have prepared (in /tmp above all) is passed over.
 */
export async function* sharedFolders(account: Account): AsyncGenerator<string> {
  for (const wanted of ['/var/lib/plinto', '/var/tmp/plinto-root', join(tmpdir(), 'plinto-root')]) {
    const above = await realpath(dirname(wanted)).catch(() => undefined);
    if (above === undefined) continue;
    const place = join(above, basename(wanted));
    try {
      await mkdir(place);
      await chmod(place, 0o755);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') continue;
    }
    if ((await isTrusted(place)) && (await canReach(place, account))) yield place;
  }
}

/** Root owns the folder and all above it, and nobody else can put another in its stead. */
async function isTrusted(place: string): Promise<boolean> {
  for (const folder of ancestors(place)) {
    const { uid, mode, isDirectory } = await describe(folder);
    const othersWrite = (mode & 0o022) !== 0;
    const sticky = folder !== place && (mode & 0o1000) !== 0;
    if (!isDirectory || uid !== 0 || (othersWrite && !sticky)) return false;
  }
  return true;
}

async function describe(folder: string) {
  const info = await lstat(folder);
  return { uid: info.uid, mode: info.mode, isDirectory: info.isDirectory() };
}

function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [path, ...ancestors(above)];
}

/**
 * Where the data of the server kept under `dir` lives: inside it, or, when the account cannot get
 * there, in a folder of its own elsewhere, which the state then records.
 * Throws when no place serves, naming the cause and the way out.
 */
export async function chooseDataDir(
  dir: string,
  state: EmbeddedState | undefined,
): Promise<{ dataDir: string; account: Account | undefined; inside: boolean }> {
  if (state?.dataDir !== undefined) {
    await refuseCopy(dir, state, state.dataDir);
    const account = await chooseAccount(dir, state.dataDir);
    return { dataDir: state.dataDir, account, inside: false };
  }
  const dataDir = join(dir, 'data');
  const account = await chooseAccount(dir, dataDir);
  if (account === undefined || (await canReach(dir, account))) {
    return { dataDir, account, inside: true };
  }
  const cause =
    `PostgreSQL does not run as root, and the user it would run as (uid ${account.uid}) cannot ` +
    `reach ${dir}: a folder above it is closed to others`;
  if ((await stat(dataDir).catch(() => undefined)) !== undefined) {
    throw new Error(`${cause}. Move the folder to where that user can, or set DATABASE_URL.`);
  }
  for await (const place of sharedFolders(account)) {
    // A name of its own each time: whoever deletes `dir` means to begin with an empty database.
    return { dataDir: join(place, `data-${uuid()}`), account, inside: false };
  }
  throw new Error(`${cause}, and no other place is safe to keep the data in. Set DATABASE_URL.`);
}

/** Two folders must not share one database because one was copied from the other. */
async function refuseCopy(dir: string, state: EmbeddedState, dataDir: string): Promise<void> {
  if (state.dir === dir) return;
  const original = await readState(state.dir).catch(() => undefined);
  if (original?.dataDir !== dataDir) return;
  throw new Error(
    `${dir} is a copy of ${state.dir}, whose database is kept in ${dataDir}. ` +
      `Delete ${dir} to begin with an empty database, or set DATABASE_URL.`,
  );
}
