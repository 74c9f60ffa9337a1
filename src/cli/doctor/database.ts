import type { Config } from '../../config.ts';
import { pendingMigrations } from '../../db/migrate.ts';
import { listKeys } from '../../oidc/keys/store.ts';
import type { Runtime } from '../../runtime.ts';
import { hasAdministrator } from '../../users/store.ts';
import { describeFailure } from '../terminal/output.ts';
import { span } from '../terminal/table.ts';
import { bad, type Check, ok, warn } from './check.ts';
import { refusedCheck } from './messages.ts';
import { countAdministrators, findJobFacts, findServerFacts, listSecretUses } from './store.ts';

/** Seconds that the clocks of process and database may differ: tokens are dated by both. */
const CLOCK_WARN = 2;
const CLOCK_FAIL = 30;

/** Seconds a job may wait, or a key be overdue, before it means that nobody is at work. */
const PATIENCE = 900;

/** What only the database can tell. */
export async function databaseChecks(config: Config, runtime: Runtime): Promise<Check[]> {
  const { db } = runtime.deps;
  let checks: Check[];
  try {
    checks = await serverChecks(runtime);
  } catch (error) {
    return [databaseFailure(error)];
  }
  const pending = await pendingMigrations(db);
  if (pending.length > 0) {
    const message = `${pending.length} are missing; what the database holds was not looked at`;
    return [
      ...checks,
      runtime.dataDir === undefined
        ? bad('migrations', message, 'run `plinto migrate`')
        : warn('migrations', message, 'start the server: it applies them'),
    ];
  }
  return [
    ...checks,
    ok('migrations', 'up to date'),
    ...(await secretChecks(runtime)),
    await keysCheck(config, runtime),
    ...(await jobChecks(runtime)),
    await refusedCheck(db),
    await administratorCheck(runtime),
    ...(await factorChecks(runtime)),
  ];
}

/** A database that can't be opened or asked. */
export function databaseFailure(error: unknown): Check {
  return bad(
    'database',
    describeFailure(error),
    'nothing works without it; see DATABASE_URL in docs/config.md',
  );
}

async function serverChecks({ deps, databaseUrl }: Runtime): Promise<Check[]> {
  await findServerFacts(deps.db);
  // Asked a second time, because the first answer took the time of connecting too.
  const before = deps.now().getTime();
  const { version, clock } = await findServerFacts(deps.db);
  const after = deps.now().getTime();
  const release = `${Math.floor(version / 10_000)}.${version % 10_000}`;
  const { host, pathname } = new URL(databaseUrl);
  const where = `PostgreSQL ${release} at ${host}${pathname}, ${after - before} ms away`;
  return [
    version < 150_000
      ? bad('database', where, 'upgrade it to PostgreSQL 15 or newer')
      : ok('database', where),
    clockCheck(Math.abs(clock - (before + after) / 2) / 1000),
  ];
}

function clockCheck(seconds: number): Check {
  const message = `differs by ${seconds.toFixed(1)} s from the database's`;
  const fix = 'keep both machines on time, with NTP';
  if (seconds > CLOCK_FAIL) return bad('clock', message, fix);
  return seconds > CLOCK_WARN ? warn('clock', message, fix) : ok('clock', message);
}

async function secretChecks({ deps, keyring }: Runtime): Promise<Check[]> {
  const uses = await listSecretUses(deps.db);
  const [current, old] = keyring.box.map(({ id }) => id);
  const known = new Set([current, old]);
  const checks = uses
    .filter(({ key_id }) => !known.has(key_id))
    .map(({ what, count }) =>
      bad(
        'secret',
        `${count} ${what} depend on a secret that PLINTO_SECRET no longer has`,
        what !== 'client secrets'
          ? 'add it again as the second one: PLINTO_SECRET=new,old'
          : 'add it again as the second one, or rotate them: `plinto client rotate-secret`',
      ),
    );
  if (old === undefined) return checks;
  const dependent = uses.filter(({ key_id }) => key_id === old);
  if (dependent.length === 0) {
    const message = 'nothing stored depends on it: drop it from PLINTO_SECRET when you like';
    return [...checks, ok('old secret', message)];
  }
  const list = new Intl.ListFormat('en').format(
    dependent.map(({ what, count }) => `${count} ${what}`),
  );
  const fix =
    'keep it: keys move within minutes, client secrets and authenticator apps when they are next used, messages when sent';
  return [...checks, warn('old secret', `${list} still depend on it`, fix)];
}

async function keysCheck(config: Config, { deps }: Runtime): Promise<Check> {
  const name = 'signing keys';
  const current = (await listKeys(deps.db)).filter(({ state }) => state === 'current');
  if (current.length === 0) {
    return warn(name, 'there are none yet', 'start the server once: it makes them');
  }
  const oldest = Math.max(...current.map((key) => key.active_for));
  const due = config.keys.rotationDays * 86_400 + PATIENCE;
  if (oldest > due) {
    const message = `the oldest has signed for ${span(oldest)} and should have been replaced`;
    return bad(name, message, 'keep a server running, or run `plinto keys rotate`');
  }
  return ok(name, `${current.length} in use, the oldest for ${span(oldest)}`);
}

async function jobChecks({ deps }: Runtime): Promise<Check[]> {
  const name = 'jobs';
  const { overdue, waiting_for, dead, tasks } = await findJobFacts(deps.db);
  const checks: Check[] = [];
  if (waiting_for > PATIENCE) {
    const message = `${overdue} wait, the longest for ${span(waiting_for)}`;
    checks.push(warn(name, message, 'keep a server running: it does them'));
  }
  if (dead > 0) {
    const message = `${dead} failed for good: ${tasks}`;
    checks.push(warn(name, message, 'see last_error in graphile_worker.jobs'));
  }
  return checks.length > 0 ? checks : [ok(name, `${overdue} wait, none failed for good`)];
}

async function administratorCheck({ deps }: Runtime): Promise<Check> {
  const name = 'administrator';
  if (await hasAdministrator(deps.db)) return ok(name, 'there is one');
  return warn(name, 'nobody administers this installation', 'run `plinto setup-link`');
}

async function factorChecks({ deps }: Runtime): Promise<Check[]> {
  const name = 'second factors';
  const { all, without } = await countAdministrators(deps.db);
  if (all === 0) return [];
  if (without === 0) return [ok(name, 'every administrator has one')];
  const message = `${without} of ${all} administrators have none: whoever learns the password can turn one on`;
  return [warn(name, message, 'have them sign in: they are asked to turn one on')];
}
