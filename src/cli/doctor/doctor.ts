import type { Command } from 'commander';
import { type Config, ConfigError, loadConfig } from '../../config.ts';
import { useRuntime } from '../session.ts';
import { fail, print } from '../terminal/output.ts';
import type { Check } from './check.ts';
import { databaseChecks, databaseFailure } from './database.ts';
import { mailCheck } from './messages.ts';
import { reachCheck, refusedSettings, settingsChecks } from './settings.ts';

/** `plinto doctor`: what is wrong, what a production setup lacks, and what to do about it. */
export function doctorCommand(command: Command): void {
  command.option('--json', 'print JSON').action(async (options: { json?: true }) => {
    try {
      const checks = await examine();
      const healthy = checks.every(({ status }) => status !== 'fail');
      print({ value: { ok: healthy, checks }, lines: report(checks) }, options.json === true);
      if (!healthy) process.exitCode = 1;
    } catch (error) {
      fail(error);
    }
  });
}

async function examine(): Promise<Check[]> {
  let config: Config;
  try {
    config = loadConfig(process.cwd(), process.env);
  } catch (error) {
    if (error instanceof ConfigError) return refusedSettings(error);
    throw error;
  }
  const [address, mail] = await Promise.all([reachCheck(config), mailCheck(config)]);
  const checks = [...settingsChecks(config), address, mail];
  try {
    const found = await useRuntime(config, (runtime) => databaseChecks(config, runtime));
    return [...checks, ...found];
  } catch (error) {
    return [...checks, databaseFailure(error)];
  }
}

function report(checks: readonly Check[]): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, message, fix }) => [
    `${status.padEnd(4)}  ${name.padEnd(width)}  ${message}`,
    ...(fix === undefined ? [] : [`${' '.repeat(width + 8)}-> ${fix}`]),
  ]);
  const count = (status: Check['status']) => checks.filter((c) => c.status === status).length;
  return [...lines, '', `${count('fail')} to repair, ${count('warn')} to look at.`];
}
