import { Command } from 'commander';
import { SYSTEM } from '../audit/events.ts';
import { type Config, loadConfig } from '../config.ts';
import { transaction } from '../db/pool.ts';
import { createLogger, openRuntime, type Runtime } from '../runtime.ts';
import { startServer } from '../server.ts';
import { createSetupLink } from '../setup/create-link.ts';
import { hasAdministrator } from '../users/store.ts';
import { fail } from './output.ts';

/** `plinto serve`: run until SIGTERM or SIGINT. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('run the server (the default command)')
    .action(() => serve().catch(fail));
}

async function serve(): Promise<void> {
  const config = loadConfig(process.cwd(), process.env);
  const runtime = await openRuntime(
    config,
    createLogger(config.production ? config.logLevel : developmentLevel(config)),
  );
  const server = await startServer(config, runtime).catch(async (error) => {
    await runtime.close();
    throw error;
  });
  await announce(config, runtime);

  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await server.stop();
    await runtime.close();
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop().catch(fail));
  process.on('SIGINT', () => void stop().catch(fail));
}

/** On a developer's terminal the banner is the message; requests are logged on demand. */
function developmentLevel(config: Config): string {
  return config.logLevel === 'info' ? 'warn' : config.logLevel;
}

async function announce(config: Config, runtime: Runtime): Promise<void> {
  const { deps, dataDir } = runtime;
  if (config.production) {
    deps.log.info({ issuer: config.issuer, port: config.port }, 'ready');
    if (!(await hasAdministrator(deps.db))) {
      deps.log.info('nobody administers this installation yet: run `plinto setup-link`');
    }
    return;
  }
  const lines = [`Plinto is ready at ${config.issuer}`, `Data: ${dataDir}`];
  if (!(await hasAdministrator(deps.db))) {
    const link = await transaction(deps.db, (trx) =>
      createSetupLink(trx, deps, SYSTEM, config.issuer),
    );
    lines.push(`Create the first administrator (once, within a day): ${link}`);
  }
  lines.push('Try it with a sample app: npm run demo');
  console.log(`\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
}
