import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp } from './app.ts';
import type { Config } from './config.ts';
import { createPasswordHasher } from './crypto/password-hash.ts';
import { listenForChanges } from './db/listen.ts';
import { migrate } from './db/migrate.ts';
import { startWorker } from './jobs/worker.ts';
import { createManagement } from './management-port.ts';
import type { Runtime } from './runtime.ts';

export type RunningServer = {
  /** The port it listens on. */
  port: number;
  /** Stops taking requests, finishes those under way, and lets everything go. */
  stop: () => Promise<void>;
};

/** Milliseconds that requests under way get to finish after SIGTERM. */
const DRAIN_MS = 10_000;

/** Migrates, listens and works until stopped. Any number of these share one database. */
export async function startServer(config: Config, runtime: Runtime): Promise<RunningServer> {
  const { deps, keyring, databaseUrl } = runtime;
  await migrate(deps.db, databaseUrl);

  let connected = () => false;
  const app = await createApp({
    deps,
    config,
    keyring,
    hasher: createPasswordHasher(config.passwordHashing),
    hearsChanges: () => connected(),
  });
  const heard = (table: string | undefined): void => {
    app.changed(table).catch((err) => deps.log.warn({ err }, 'could not load what changed'));
  };
  const listener = await listenForChanges(databaseUrl, deps.log, heard);
  connected = listener.connected;
  // Poolers may drop LISTEN without a word; keys are looked at again now and then all the same.
  const poll = setInterval(() => heard('signing_keys'), 30_000);
  const worker = startWorker(databaseUrl, deps.log, app.tasks);
  const management = createManagement(deps.db, config.management);
  app.koa.middleware.unshift(management.observe);

  const server = createServer(app.koa.callback());
  server.requestTimeout = 30_000;
  server.headersTimeout = 15_000;
  await listen(server, config.port, config.host);
  await management.listen();

  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      management.draining();
      clearInterval(poll);
      await drain(server);
      await worker.stop();
      await listener.stop();
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

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const limit = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}
