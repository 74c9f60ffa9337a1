import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from './app.ts';
import type { Config } from './config.ts';
import { createPasswordHasher } from './crypto/password-hash.ts';
import { listenForChanges } from './db/listen.ts';
import { migrate } from './db/migrate.ts';
import { startWorker } from './jobs/worker.ts';
import { createManagement } from './management-port.ts';
import { createMetrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';

export type RunningServer = {
  /** The port it listens on. */
  port: number;
  /** Stops taking requests, finishes those under way, and lets everything go. */
  stop: () => Promise<void>;
};

/** Milliseconds that requests under way get to finish. */
const DRAIN_MS = 10_000;

/**
 * Milliseconds in which balancers that look at readiness notice and send their requests elsewhere,
 * before connections are refused.
 */
const LINGER_MS = 5000;

/** Longer than the usual idle limit of balancers (60 s), which must not find a connection closed. */
const KEEP_ALIVE_MS = 75_000;

/** Milliseconds between two looks at the keys, where a pooler drops LISTEN without a word. */
const KEY_POLL_MS = 30_000;

/**
 * Migrates, listens and works until stopped. Any number of these share one database.
 *
 * @param hasher what passwords are hashed with
 */
export async function startServer(
  config: Config,
  runtime: Runtime,
  hasher = createPasswordHasher(config.passwordHashing),
): Promise<RunningServer> {
  const { deps, keyring, databaseUrl } = runtime;
  const { log } = deps;
  await migrate(databaseUrl);

  let connected = () => false;
  const app = await createApp({
    deps,
    config,
    keyring,
    hasher,
    hearsChanges: () => connected(),
  });
  const heard = (table: string | undefined): void => {
    app.changed(table).catch((err) => log.warn({ err }, 'could not load what changed'));
  };
  const listener = await listenForChanges(databaseUrl, log, heard);
  connected = listener.connected;
  const poll = setInterval(() => heard('signing_keys'), KEY_POLL_MS);
  const metrics = createMetrics(deps.db);
  app.koa.middleware.unshift(metrics.observe);
  const management = createManagement(deps.db, metrics.registry, config.management);

  const server = createServer(app.koa.callback());
  server.requestTimeout = 30_000;
  server.headersTimeout = 15_000;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const letGo = async (): Promise<void> => {
    clearInterval(poll);
    await listener.stop();
    metrics.stop();
  };
  try {
    await listen(server, config.port, config.host);
    await management.listen();
  } catch (error) {
    server.close();
    await letGo();
    throw error;
  }
  const { tasks } = app;
  const worker = startWorker({ url: databaseUrl, log, tasks, onOutcome: metrics.countJob });

  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      const watched = management.drain() && config.production;
      await drain(server, watched ? LINGER_MS : 0);
      await Promise.all([worker.stop(), letGo()]);
      await management.stop();
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${port} is taken: stop what uses it, or set PORT to another`)
          : error,
      );
    });
    server.listen(port, host, resolve);
  });
}

async function drain(server: Server, linger: number): Promise<void> {
  server.prependListener('request', (_req, res) => res.setHeader('Connection', 'close'));
  await delay(linger);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const limit = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}
