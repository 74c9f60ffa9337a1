import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino, { type DestinationStream, type Logger } from 'pino';
import type { Config } from './config.ts';
import { deriveKeyring, type Keyring } from './crypto/keyring.ts';
import { openPool } from './db/pool.ts';
import type { Deps } from './deps.ts';
import { createGuardedFetch } from './http/guarded-fetch.ts';

/** What both the server and the commands run on. */
export type Runtime = {
  deps: Deps;
  keyring: Keyring;
  databaseUrl: string;
  /** Where the embedded database keeps its data; undefined with DATABASE_URL. */
  dataDir: string | undefined;
  close: () => Promise<void>;
};

/** Opens the database (the embedded one if none is configured) and derives the keys. */
export async function openRuntime(config: Config, log: Logger): Promise<Runtime> {
  const secrets = config.secrets ?? [await developmentSecret(config.dataDir)];
  const embedded =
    config.database.url === undefined ? await openDataDir(config.dataDir) : undefined;
  const databaseUrl = config.database.url ?? (embedded?.url as string);
  const db = openPool({
    url: databaseUrl,
    size: config.database.poolSize,
    statementTimeout: config.database.statementTimeout,
    name: 'plinto',
    log,
  });
  return {
    deps: {
      db,
      now: () => new Date(),
      randomBytes,
      fetch: createGuardedFetch(config.outboundAllow),
      resolveTxt: createTxtResolver(config.dns),
      log,
    },
    keyring: deriveKeyring(secrets),
    databaseUrl,
    dataDir: embedded?.dataDir,
    close: async () => {
      await db.destroy();
      await embedded?.stop();
    },
  };
}

/** Asks each name server twice at most, and gives up before whoever asked does. */
function createTxtResolver({ servers, timeout }: Config['dns']): Deps['resolveTxt'] {
  return async (name) => {
    const resolver = new Resolver({ timeout, tries: 2, maxTimeout: timeout });
    if (servers.length > 0) resolver.setServers(servers);
    const limit = setTimeout(() => resolver.cancel(), timeout * 4);
    try {
      return await resolver.resolveTxt(name);
    } finally {
      clearTimeout(limit);
    }
  };
}

/** JSON logs, without anything secret (security 5). */
export function createLogger(
  level: string,
  destination: DestinationStream = process.stdout,
): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: safeError },
  };
  return pino(options, destination);
}

/** Errors of the database quote values, and those of the library the request: neither is logged. */
function safeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, table, constraint, error_detail } = error as unknown as Record<string, unknown>;
  const known = { code, table, constraint, detail: error_detail };
  const described = Object.entries(known).filter(([, value]) => value !== undefined);
  return {
    type: error.name,
    // The query builder puts the whole statement, values included, before " - " and the cause.
    message: error.message.split(' - ').at(-1),
    ...Object.fromEntries(described),
    // Only where it happened: the message, which comes first in the stack, may have several lines.
    stack: error.stack
      ?.match(/^ {4}at .*/gm)
      ?.slice(0, 8)
      .join('\n'),
    ...(error.cause instanceof Error ? { cause: safeError(error.cause) } : {}),
  };
}

async function openDataDir(dir: string) {
  // Imported here, so that an installation with its own database needn't have the binaries.
  const { openEmbedded } = await import('./db/embedded.ts');
  return openEmbedded({ dir });
}

/** A secret of this folder's own, made at the first start and readable by its owner only. */
async function developmentSecret(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'secret');
  try {
    await writeFile(file, randomBytes(48).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  await chmod(file, 0o600);
  return (await readFile(file, 'utf8')).trim();
}
