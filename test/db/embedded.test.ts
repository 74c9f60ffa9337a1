import { once } from 'node:events';
import { appendFile, chown, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openEmbedded } from '../../src/db/embedded.ts';
import { findPostmaster } from '../../src/db/embedded-postmaster.ts';
import {
  CASES,
  FAST,
  isRoot,
  listSharedFolders,
  makeCheckout,
  makePlace,
  makeUsedPlace,
  NOBODY,
  openElsewhere,
  openHere,
  postmasterPid,
  query,
  removePrepared,
  track,
} from './embedded-process.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
afterAll(removePrepared);

describe('keeps a database in a folder', () => {
  test.each(CASES)('for $who', async ({ mode, of, uid, owner, inside }) => {
    const place = await makePlace(mode);
    await chown(place, of, of);
    const dir = join(place, 'new', 'database');

    const first = await openElsewhere(dir, { uid });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    expect(await first.stop()).toBe(0);
    expect(await findPostmaster(first.dataDir)).toBeUndefined();

    const second = await openElsewhere(dir, { uid });
    expect(second).toMatchObject({ url: first.url, dataDir: first.dataDir });
    expect(await query(second.url, 'SELECT answer, current_database() AS name FROM kept')).toEqual([
      { answer: 42, name: 'plinto' },
    ]);
    const data = await stat(second.dataDir);
    expect([data.uid, data.mode & 0o777]).toEqual([owner, 0o700]);
    expect(second.dataDir.startsWith(dir)).toBe(inside);
    const secret = await stat(join(dir, 'postgres.json'));
    expect([secret.uid, secret.mode & 0o777]).toEqual([of, 0o600]);
  });

  test('with small, durable settings that the caller may override', async () => {
    const { url } = await openHere(await makeUsedPlace(), { work_mem: '3MB' });
    const wanted = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: 'on',
      synchronous_commit: 'on',
      shared_buffers: '32MB',
      work_mem: '3MB',
      TimeZone: 'UTC',
      server_encoding: 'UTF8',
    };
    const rows = await query(url, 'SHOW ALL');
    expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toMatchObject(wanted);
    await expect(query(url.replace(/:[0-9a-f]{48}@/, ':guess@'), 'SELECT 1')).rejects.toThrow(
      'password authentication failed',
    );
  });

  test('on another port when a stranger has taken its own', async () => {
    const dir = await makeUsedPlace();
    const before = await openHere(dir);
    await before.stop();
    const stranger = createServer().listen(Number(new URL(before.url).port), '127.0.0.1');
    onTestFinished(() => new Promise((closed) => stranger.close(() => closed())));
    await once(stranger, 'listening');

    const after = await openHere(dir);
    expect(new URL(after.url).port).not.toBe(new URL(before.url).port);
    expect(await query(after.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe('survives a crash', () => {
  test('of Plinto: the next one adopts the server that still runs', async () => {
    const dir = await makeUsedPlace();
    const killed = await openElsewhere(dir);
    await query(killed.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const pid = await postmasterPid(killed.dataDir);
    await killed.kill();

    const next = await openHere(dir);
    expect(await postmasterPid(next.dataDir)).toBe(pid);
    expect(next.url).toBe(killed.url);
    expect(await query(next.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await next.stop();
    expect(await findPostmaster(next.dataDir)).toBeUndefined();
  });

  test('of PostgreSQL: a new server recovers what was committed', async () => {
    const dir = await makeUsedPlace();
    const before = await openHere(dir);
    await query(before.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const pid = await postmasterPid(before.dataDir);
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await findPostmaster(before.dataDir)).toBeUndefined());
    await before.stop();

    const after = await openHere(dir);
    expect(await postmasterPid(after.dataDir)).not.toBe(pid);
    expect(await query(after.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test.each([
    { name: 'a process that lives but is not PostgreSQL', pid: process.pid },
    { name: 'no process at all', pid: 2 ** 22 + 1 },
  ])('that left a postmaster.pid naming $name', async ({ pid }) => {
    const dir = await makeUsedPlace();
    const before = await openHere(dir);
    const file = join(before.dataDir, 'postmaster.pid');
    const text = await readFile(file, 'utf8');
    await before.stop();
    await writeFile(file, text.replace(/^\d+/, String(pid)));

    const after = await openHere(dir);
    expect(await query(after.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await postmasterPid(after.dataDir)).not.toBe(pid);
  });

  test('in the middle of the first start, whatever it left', async () => {
    const dir = await makePlace();
    await mkdir(join(dir, 'data.partial-abandoned', 'base'), { recursive: true });
    await openHere(dir);
    await expect(stat(join(dir, 'data.partial-abandoned'))).rejects.toThrow('ENOENT');
  });

  test("of its own connection: the process goes on and stays one of the server's users", async () => {
    const dir = await makeUsedPlace();
    const staying = await openHere(dir);
    const leases = "FROM pg_stat_activity WHERE application_name = 'plinto lease'";
    const [lost] = await query(staying.url, `SELECT pid, pg_terminate_backend(pid) ${leases}`);
    await vi.waitFor(async () => {
      const [renewed] = await query(staying.url, `SELECT pid ${leases}`);
      expect(renewed?.pid).toBeTypeOf('number');
      expect(renewed?.pid).not.toBe(lost?.pid);
    }, 10_000);

    const passing = await openHere(dir);
    await passing.stop();
    await query(staying.url, 'SELECT 1');
  });
});

describe('is shared by all who open the folder', () => {
  test.each([1, 2, 3, 4])('two first processes at once start one server, round %i', async () => {
    const dir = await makePlace();
    const [one, other] = await Promise.all([openElsewhere(dir), openElsewhere(dir)]);
    expect(one.url).toBe(other.url);
    const log = await readFile(join(dir, 'postgres.log'), 'utf8');
    expect(log.match(/starting PostgreSQL/g)).toHaveLength(1);
    expect(log).not.toContain('FATAL');

    expect(await Promise.all([one.stop(), other.stop()])).toEqual([0, 0]);
    expect(await findPostmaster(one.dataDir)).toBeUndefined();
  });

  test('the last who stops stops the server', async () => {
    const dir = await makePlace();
    const server = await openElsewhere(dir);
    const command = await openHere(dir);
    expect(command.url).toBe(server.url);
    await command.stop();
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);

    const later = await openHere(dir);
    await server.stop();
    await query(later.url, 'SELECT 1');
    await Promise.all([later.stop(), later.stop()]);
    expect(await findPostmaster(later.dataDir)).toBeUndefined();
  });

  test('one who opens while the last is stopping gets a working server', async () => {
    const dir = await makeUsedPlace();
    let current = await openHere(dir);
    for (let round = 0; round < 6; round += 1) {
      const [next] = await Promise.all([openHere(dir), current.stop()]);
      await query(next.url, 'SELECT 1');
      const stopping = next.stop();
      current = await openHere(dir);
      await stopping;
      await query(current.url, 'SELECT 1');
    }
  });
});

describe('says what is wrong and how to go on', () => {
  test("with PostgreSQL's own last words", async () => {
    const dir = await makeUsedPlace();
    track(join(dir, 'data'));
    const opening = openEmbedded({ dir, settings: { shared_buffers: 'nonsense' } });
    await expect(opening).rejects.toThrow(
      /invalid value for parameter "shared_buffers"[\s\S]*DATABASE_URL/,
    );
  });

  test('when the password is lost', async () => {
    const dir = await makeUsedPlace();
    await (await openHere(dir)).stop();
    await rm(join(dir, 'postgres.json'));
    await expect(openEmbedded({ dir })).rejects.toThrow(/postgres\.json.*missing.*DATABASE_URL/);
    await writeFile(join(dir, 'postgres.json'), '{"port":1}');
    await expect(openEmbedded({ dir })).rejects.toThrow(/damaged.*DATABASE_URL/);
  });

  test('when the data is from another release', async () => {
    const dir = await makeUsedPlace();
    const { dataDir, stop } = await openHere(dir);
    await stop();
    await writeFile(join(dataDir, 'PG_VERSION'), '17\n');
    await expect(openEmbedded({ dir })).rejects.toThrow(/made by PostgreSQL 17.*DATABASE_URL/);
  });

  test('when the programs are not installed', async () => {
    const place = await makePlace(0o755, tmpdir());
    const { checkout } = await makeCheckout(place, 'absent');
    const opening = openElsewhere(join(place, 'database'), { checkout });
    await expect(opening).rejects.toThrow(/not installed.*DATABASE_URL/);
  });

  test('in a log that does not grow for ever', async () => {
    const dir = await makeUsedPlace();
    const log = join(dir, 'postgres.log');
    await appendFile(log, 'x'.repeat(11 * 1024 * 1024));
    const database = await openHere(dir);
    expect((await stat(log)).size).toBeLessThan(100_000);
    await database.stop();
    expect(await readFile(log, 'utf8')).toContain('database system is shut down');
    await openHere(dir);
    expect((await readFile(log, 'utf8')).match(/starting PostgreSQL/g)).toHaveLength(2);
  });
});

describe('runs the installed programs', () => {
  test.each(isRoot ? [0o755, 0o700] : [0o700])(
    'without their install script, checkout mode %o',
    async (mode) => {
      const place = await makePlace(mode, tmpdir());
      const { checkout, version } = await makeCheckout(place, 'unhydrated');
      if (isRoot) {
        const name = `postgres-${version}-${process.platform}-${process.arch}`;
        for (const folder of await listSharedFolders()) {
          onTestFinished(() => rm(join(folder, name), { recursive: true, force: true }));
        }
      }
      const dir = join(place, 'database');
      const [one, other] = await Promise.all([
        openElsewhere(dir, { checkout }),
        openElsewhere(dir, { checkout }),
      ]);
      expect(one.url).toBe(other.url);
      expect(await query(one.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    },
  );
});

function describeRoot(): void {
  test('uses no folder that another user could have prepared', async () => {
    const place = await makePlace();
    vi.stubEnv('TMPDIR', place);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const prepared = join(place, 'plinto-root');
    expect(await listSharedFolders()).toContain(prepared);
    await chown(prepared, NOBODY, NOBODY);
    expect(await listSharedFolders()).not.toContain(prepared);
  });

  test('does not let a copied folder share the database of the original', async () => {
    const place = await makePlace(0o700);
    const original = join(place, 'original');
    await (await openHere(original)).stop();
    await cp(original, join(place, 'copy'), { recursive: true });
    const opening = openEmbedded({ dir: join(place, 'copy'), settings: FAST });
    await expect(opening).rejects.toThrow(/is a copy of .*original.*DATABASE_URL/);
  });
}

if (isRoot) describe('as root', describeRoot);
