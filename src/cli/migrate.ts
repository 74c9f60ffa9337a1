import type { Command } from 'commander';
import { migrate } from '../db/migrate.ts';
import { withRuntime } from './session.ts';
import { fail, print } from './terminal/output.ts';

/** `plinto migrate`: before a new release is started, or by its start. */
export function migrateCommand(command: Command): void {
  command
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => run(options.json === true).catch(fail));
}

async function run(json: boolean): Promise<void> {
  await withRuntime(async (_config, { databaseUrl }) => {
    const applied = await migrate(databaseUrl);
    const lines =
      applied.length === 0
        ? ['The database is up to date.']
        : [`Applied ${applied.length} migrations:`, ...applied.map((name) => `  ${name}`)];
    print({ value: { applied }, lines }, json);
  });
}
