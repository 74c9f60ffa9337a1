import type { Command } from 'commander';
import { transaction } from '../db/pool.ts';
import { createSetupLink, SETUP_LINK_TTL } from '../setup/create-link.ts';
import { onDatabase } from './session.ts';

/** `plinto setup-link`: the way in for the first administrator, and back in for a locked out one. */
export function setupLinkCommand(command: Command): void {
  command.option('--json', 'print JSON').action(
    onDatabase(async ({ config, runtime, db, origin }) => {
      const link = await transaction(db, (trx) =>
        createSetupLink(trx, runtime.deps, origin, config.issuer),
      );
      return {
        value: { link, expires_in: SETUP_LINK_TTL },
        lines: [link, 'It works once, within a day; links made before it no longer do.'],
      };
    }),
  );
}
