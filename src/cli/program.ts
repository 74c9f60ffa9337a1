import { Command } from 'commander';
import { fail } from './output.ts';
import { serveCommand } from './serve.ts';

/** The command line; `serve` when nothing else is asked for. */
export function createProgram(): Command {
  const program = new Command('plinto')
    .description('Self-hosted OpenID Connect provider')
    .showHelpAfterError('(--help lists what there is)')
    .exitOverride((error) => {
      process.exit(error.exitCode);
    });
  program.addCommand(serveCommand(), { isDefault: true });
  program.hook('preAction', () => {
    process.on('uncaughtException', fail);
    process.on('unhandledRejection', fail);
  });
  return program;
}
