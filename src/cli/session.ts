import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Origin } from '../audit/events.ts';
import { type Config, loadConfig } from '../config.ts';
import { migrate, pendingMigrations } from '../db/migrate.ts';
import type { Db } from '../deps.ts';
import { createLogger, openRuntime, type Runtime } from '../runtime.ts';
import { type Answer, fail, print } from './terminal/output.ts';

/** What a command works with: the same database as the server, whether that runs or not. */
export type Session = Readonly<{ config: Config; runtime: Runtime; db: Db; origin: Origin }>;

/**
 * The action of a command that works on the database: opens it, runs `work`, prints what it says and
 * closes everything. A failure ends the process with one line.
 */
export function onDatabase<A extends unknown[]>(
  work: (session: Session, ...args: A) => Promise<Answer>,
): (...args: [...A, Command]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const given = args.slice(0, -1) as unknown as A;
    try {
      await withRuntime(async (config, runtime) => {
        await ensureMigrated(runtime);
        const session = { config, runtime, db: runtime.deps.db, origin: cliOrigin() };
        print(await work(session, ...given), command.opts().json === true);
      });
    } catch (error) {
      fail(error);
    }
  };
}

/** Opens what commands run on, migrated or not, for as long as `work` takes. */
export async function withRuntime<T>(
  work: (config: Config, runtime: Runtime) => Promise<T>,
): Promise<T> {
  const config = loadConfig(process.cwd(), process.env);
  return useRuntime(config, (runtime) => work(config, runtime));
}

/** {@link withRuntime} for settings that are read already. */
export async function useRuntime<T>(
  config: Config,
  work: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const opening = openRuntime(config, createLogger('silent', process.stderr));
  // The embedded server outlives whoever started it and isn't told of the end.
  const interrupt = (code: number) => () => {
    opening.then((runtime) => runtime.close()).finally(() => process.exit(code));
  };
  process.once('SIGINT', interrupt(130));
  process.once('SIGTERM', interrupt(143));
  const runtime = await opening;
  try {
    return await work(runtime);
  } finally {
    await runtime.close();
  }
}

/** Who acts: the login name of whoever runs the command, for the audit log. */
function cliOrigin(): Origin {
  try {
    return { actor: `cli:${userInfo().username}` };
  } catch {
    // A container's user need not have a name.
    return { actor: `cli:uid ${process.getuid?.()}` };
  }
}

/** The embedded database belongs to this release alone; another may serve an older one right now. */
async function ensureMigrated({ deps, databaseUrl, dataDir }: Runtime): Promise<void> {
  const pending = await pendingMigrations(deps.db);
  if (pending.length === 0) return;
  if (dataDir === undefined) {
    throw new Error(
      `the database lacks ${pending.length} migrations: run \`plinto migrate\` first`,
    );
  }
  await migrate(databaseUrl);
}
