import type { Command } from 'commander';
import { transaction } from '../db/pool.ts';
import { createInitialAccessToken } from '../oidc/initial-access-token.ts';
import { onDatabase, type Session } from './session.ts';
import type { Answer } from './terminal/output.ts';
import { wholeNumber } from './terminal/paging.ts';

const DAY = 86_400;

/** `plinto registration-token …`: initial access tokens (RFC 7591 §3). */
export function registrationTokenCommands(group: Command): void {
  group
    .command('create')
    .description('make a token with which applications register themselves, shown this once')
    .option('--expires-in <seconds>', 'how long it works', wholeNumber(60, 365 * DAY), DAY)
    .option('--json', 'print JSON')
    .action(onDatabase(create));
}

async function create(session: Session, options: { expiresIn: number }): Promise<Answer> {
  const { config, runtime, db, origin } = session;
  if (config.registration !== 'token') {
    throw new Error(
      config.registration === 'off'
        ? 'dynamic registration is off: set DYNAMIC_REGISTRATION=token'
        : 'registration is open and asks for no token: set DYNAMIC_REGISTRATION=token',
    );
  }
  const { expiresIn } = options;
  const token = await transaction(db, (trx) =>
    createInitialAccessToken(trx, runtime, origin, expiresIn),
  );
  const url = `${config.issuer}/register`;
  return {
    value: { token, expires_in: expiresIn, registration_endpoint: url },
    lines: [token, `Send it as a bearer token to ${url}. It is not shown again.`],
  };
}
