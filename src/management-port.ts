import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { pendingMigrations } from './db/migrate.ts';
import type { Db } from './deps.ts';

export type Management = {
  listen: () => Promise<void>;
  /** From now on not ready. @returns whether somebody, likely a balancer, looks at readiness. */
  drain: () => boolean;
  stop: () => Promise<void>;
};

/** Milliseconds a readiness check may take. */
const READY_TIMEOUT = 2000;

/** Milliseconds after which nobody looks at readiness any more. */
const WATCHED_FOR = 60_000;

/** Health, readiness and Prometheus metrics, on a port of their own. Port 0 serves none. */
export function createManagement(
  db: Db,
  registry: Registry,
  address: { host: string; port: number },
): Management {
  let draining = false;
  let lastAsked = Number.NEGATIVE_INFINITY;
  const server = createServer((req, res) => {
    answer(req.url ?? '/', res).catch(() => res.writeHead(500).end());
  });
  const answer = async (url: string, res: ServerResponse): Promise<void> => {
    const path = url.split('?', 1)[0];
    if (path === '/health/live') return send(res, 200, { status: 'live' });
    if (path === '/health/ready') {
      lastAsked = performance.now();
      const problem = draining ? 'draining' : await readiness(db);
      return send(res, problem ? 503 : 200, { status: problem ?? 'ready' });
    }
    if (path === '/metrics') {
      const text = await registry.metrics();
      res.writeHead(200, { 'content-type': registry.contentType }).end(text);
      return;
    }
    return send(res, 404, { error: 'not_found' });
  };
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        if (address.port === 0) return resolve();
        server.once('error', (error) =>
          reject(new Error(`MANAGEMENT_PORT ${address.port}: ${error.message}`)),
        );
        server.listen(address.port, address.host, resolve);
      }),
    drain: () => {
      draining = true;
      return performance.now() - lastAsked < WATCHED_FOR;
    },
    stop: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readiness(db: Db): Promise<string | undefined> {
  try {
    const limit = delay(READY_TIMEOUT, undefined, { ref: false });
    const pending = await Promise.race([pendingMigrations(db), limit]);
    if (pending === undefined) return 'database unavailable';
    return pending.length > 0 ? 'migrations pending' : undefined;
  } catch {
    return 'database unavailable';
  }
}

function send(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}
