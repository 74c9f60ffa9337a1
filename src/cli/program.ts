import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { fail } from './terminal/output.ts';

type Define = (command: Command) => void;

/**
 * What each command is for, and where it is defined: loaded when asked for, because together they
 * load the whole server.
 */
const COMMANDS: Record<string, [description: string, load: () => Promise<Define>]> = {
  serve: [
    'run the server; what plinto does without a command',
    async () => (await import('./serve.ts')).serveCommand,
  ],
  migrate: [
    'bring the database up to this release',
    async () => (await import('./migrate.ts')).migrateCommand,
  ],
  'setup-link': [
    'make the link that creates an administrator',
    async () => (await import('./setup-link.ts')).setupLinkCommand,
  ],
  user: ['manage people who sign in', async () => (await import('./user.ts')).userCommands],
  client: [
    'manage applications that people sign in to',
    async () => (await import('./client.ts')).clientCommands,
  ],
  resource: [
    'manage APIs and their permissions',
    async () => (await import('./resource.ts')).resourceCommands,
  ],
  org: [
    'manage organizations and their members',
    async () => (await import('./org/org.ts')).orgCommands,
  ],
  role: [
    'manage what members of organizations may do',
    async () => (await import('./role/role.ts')).roleCommands,
  ],
  'registration-token': [
    'manage tokens with which applications register themselves',
    async () => (await import('./registration-token.ts')).registrationTokenCommands,
  ],
  keys: ['manage signing keys', async () => (await import('./keys.ts')).keysCommands],
  doctor: [
    'say what is wrong or unsafe, and what to do',
    async () => (await import('./doctor/doctor.ts')).doctorCommand,
  ],
  config: ['look at the configuration', async () => (await import('./config.ts')).configCommands],
};

/** Runs the command line. Failures are one line on standard error: exit code 1, or 2 for misuse. */
export async function runProgram(args: readonly string[]): Promise<void> {
  process.on('uncaughtException', fail);
  // The reader has seen enough, as `head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    fail(error);
  });
  const words = args.length === 0 ? ['serve'] : args;
  const asked = words[0] === 'help' ? words[1] : words[0];
  const program = await createProgram(asked === undefined ? [] : [asked]);
  await program.parseAsync(words, { from: 'user' });
}

/** The commands, of which only those `asked` for know their options and what they do. */
export async function createProgram(asked: readonly string[]): Promise<Command> {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const program = new Command('plinto')
    .description(manifest.description)
    .version(manifest.version)
    .configureOutput({ outputError: (text, write) => write(misuse(text)) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const [name, [description, load]] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(description);
    if (asked.includes(name)) (await load())(command);
  }
  return program;
}

/** Commander's words for what was typed wrong, as one line. */
function misuse(text: string): string {
  const said = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ');
  return `plinto: ${said} (--help tells more)\n`;
}
