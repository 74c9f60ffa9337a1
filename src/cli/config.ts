import type { Command } from 'commander';
import { configMarkdown } from '../config/docs.ts';
import { readEnvironment } from '../config/environment.ts';
import type { Variable } from '../config/schemas.ts';
import { VARIABLES } from '../config/variables.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { fail, print } from './terminal/output.ts';
import { table } from './terminal/table.ts';

/** `plinto config …`: settings, without opening anything. */
export function configCommands(group: Command): void {
  group
    .command('check')
    .description('say everything that is wrong with the settings, or list those in force')
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => check(options.json === true));
  group
    .command('docs')
    .description('print the reference of all settings, as Markdown')
    .action(() => {
      process.stdout.write(configMarkdown());
    });
}

function check(json: boolean): void {
  try {
    const { production } = loadConfig(process.cwd(), process.env);
    const settings = settingsInForce();
    const lines = [
      `The configuration is valid, for ${production ? 'production' : 'development'}.`,
      ...table(
        ['variable', 'from', 'value'],
        settings.map((s) => [s.name, s.source, s.value ?? s.fallback?.replaceAll('`', '')]),
      ),
    ];
    print({ value: { ok: true, production, settings }, lines }, json);
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) fail(error);
    print({ value: { ok: false, problems: error.problems }, lines: [] }, true);
    process.exitCode = 1;
  }
}

type Setting = { name: string; value: unknown; source: 'set' | 'default'; fallback?: string };

function settingsInForce(): Setting[] {
  const { values } = readEnvironment(process.cwd(), process.env);
  return (VARIABLES as readonly Variable[]).map(({ name, schema, secret, fallback }) => {
    const given = values[name] || undefined;
    const shown = secret && given !== undefined ? '(not shown)' : schema.parse(given);
    const source = given === undefined ? 'default' : 'set';
    return { name, value: shown ?? null, source, ...(fallback && { fallback }) };
  });
}
