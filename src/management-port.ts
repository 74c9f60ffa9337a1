import { createServer, type ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { pendingMigrations } from './db/migrate.ts';
import type { Db } from './deps.ts';
import { routeOf } from './http/request-meta.ts';

export type Management = {
  /** Measures every request of the application. */
  observe: Middleware;
  listen: () => Promise<void>;
  /** From now on not ready, so that a balancer sends no more. */
  draining: () => void;
  stop: () => Promise<void>;
};

/** Milliseconds a readiness check may take. */
const READY_TIMEOUT = 2000;

/** Health, readiness and Prometheus metrics, on a port of their own. Port 0 serves none. */
export function createManagement(db: Db, address: { host: string; port: number }): Management {
  const registry = new Registry();
  const metrics = createMetrics(registry, db);
  let draining = false;
  const server = createServer(async (req, res) => {
    if (req.url === '/health/live') return send(res, 200, { status: 'live' });
    if (req.url === '/health/ready') {
      const problem = draining ? 'draining' : await readiness(db);
      return send(res, problem ? 503 : 200, { status: problem ?? 'ready' });
    }
    if (req.url === '/metrics') {
      res.writeHead(200, { 'content-type': registry.contentType });
      return res.end(await registry.metrics());
    }
    return send(res, 404, { error: 'not_found' });
  });
  return {
    observe: async (ctx, next) => {
      const stop = metrics.duration.startTimer({ method: ctx.method });
      await next();
      stop({ route: knownRoute(routeOf(ctx), ctx.status), status: String(ctx.status) });
      metrics.requests.inc({ status: String(ctx.status) });
    },
    listen: () =>
      new Promise((resolve, reject) => {
        if (address.port === 0) return resolve();
        server.once('error', (error) =>
          reject(new Error(`MANAGEMENT_PORT ${address.port}: ${error.message}`)),
        );
        server.listen(address.port, address.host, resolve);
      }),
    draining: () => {
      draining = true;
    },
    stop: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A bounded set of labels: what nobody serves isn't a route of its own. */
function knownRoute(route: string, status: number): string {
  return status === 404 || route.startsWith('/assets/') ? 'other' : route;
}

function createMetrics(registry: Registry, db: Db) {
  collectDefaultMetrics({ register: registry });
  const pool = (db.client as { pool: { numUsed: () => number; numPendingAcquires: () => number } })
    .pool;
  new Gauge({
    name: 'plinto_db_connections_used',
    help: 'Connections of the pool in use.',
    registers: [registry],
    collect() {
      this.set(pool.numUsed());
    },
  });
  new Gauge({
    name: 'plinto_db_connections_waiting',
    help: 'Requests waiting for a connection of the pool.',
    registers: [registry],
    collect() {
      this.set(pool.numPendingAcquires());
    },
  });
  return {
    requests: new Counter({
      name: 'plinto_http_requests_total',
      help: 'Requests answered.',
      labelNames: ['status'],
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'plinto_http_request_duration_seconds',
      help: 'Seconds from request to answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    }),
  };
}

async function readiness(db: Db): Promise<string | undefined> {
  try {
    const pending = await Promise.race([
      pendingMigrations(db),
      new Promise<never>((_, reject) => {
        setTimeout(() => reject(new Error('timeout')), READY_TIMEOUT).unref();
      }),
    ]);
    return pending.length > 0 ? 'migrations pending' : undefined;
  } catch {
    return 'database unavailable';
  }
}

function send(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}
