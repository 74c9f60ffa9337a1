import type { Command } from 'commander';
import { SYSTEM } from '../audit/events.ts';
import { type Config, loadConfig } from '../config.ts';
import { transaction } from '../db/pool.ts';
import { createLogger, openRuntime, type Runtime } from '../runtime.ts';
import { startServer } from '../server.ts';
import { createSetupLink } from '../setup/create-link.ts';
import { hasAdministrator } from '../users/store.ts';
import { fail, print } from './terminal/output.ts';

/** `plinto serve`: run until SIGTERM or SIGINT. */
export function serveCommand(command: Command): void {
  command
    .option('--json', 'announce the start as JSON (development; in production the log is JSON)')
    .action((options: { json?: true }) => serve(options.json === true).catch(fail));
}

async function serve(json: boolean): Promise<void> {
  const config = loadConfig(process.cwd(), process.env);
  // Once: whoever asks a second time doesn't want to wait for requests under way.
  const stopAsked = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  const log = createLogger(config.production ? config.logLevel : developmentLevel(config));
  process.prependListener('uncaughtException', (err) => log.fatal({ err }, 'crashed'));
  const runtime = await openRuntime(config, log);
  try {
    const server = await startServer(config, runtime);
    await announce(config, runtime, json);
    await stopAsked;
    await server.stop();
  } finally {
    await runtime.close();
  }
  process.exit(0);
}

/** On a developer's terminal the banner is the message; requests are logged on demand. */
function developmentLevel(config: Config): string {
  return config.logLevel === 'info' ? 'warn' : config.logLevel;
}

async function announce(config: Config, runtime: Runtime, json: boolean): Promise<void> {
  const { deps, dataDir } = runtime;
  const setUp = await hasAdministrator(deps.db);
  if (config.production) {
    deps.log.info({ issuer: config.issuer, port: config.port }, 'ready');
    if (!setUp) deps.log.info('nobody administers this installation yet: run `plinto setup-link`');
    return;
  }
  const link = setUp
    ? undefined
    : await transaction(deps.db, (trx) => createSetupLink(trx, deps, SYSTEM, config.issuer));
  const mails = config.mail.smtpUrl === undefined ? `${config.issuer}/dev/mail` : undefined;
  const lines = [
    `Plinto is ready at ${config.issuer}`,
    `Data: ${dataDir}`,
    ...(link ? [`Create the first administrator (once, within a day): ${link}`] : []),
    ...(mails ? [`Mails it would send: ${mails}`] : []),
    'Try it with a sample app: npm run demo',
  ];
  const value = { issuer: config.issuer, data: dataDir, mails, setup_link: link };
  print({ value, lines: ['', ...lines.map((line) => `  ${line}`), ''] }, json);
}
