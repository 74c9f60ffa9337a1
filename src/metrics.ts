import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Middleware } from 'koa';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditEvent } from './audit/events.ts';
import { AUDIT_RECORDED } from './audit/record.ts';
import type { Db } from './deps.ts';
import { routeNameOf } from './http/request-meta.ts';
import type { JobOutcome } from './jobs/worker.ts';
import { TOKENS_ISSUED } from './oidc/endpoints/observe.ts';

export type Metrics = {
  registry: Registry;
  /** Measures every request of the application. */
  observe: Middleware;
  countJob: (task: string, outcome: JobOutcome) => void;
  stop: () => void;
};

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What Prometheus is told of this process. Every label is of a set that nobody outside can extend. */
export function createMetrics(db: Db): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  gaugePool(registry, db);
  const stopEvents = countEvents(registry);
  const jobs = new Counter({
    name: 'plinto_jobs_total',
    help: 'Runs of background jobs. Failed ones are tried again; dead ones were given up.',
    labelNames: ['task', 'outcome'],
    registers: [registry],
  });
  return {
    registry,
    observe: measureRequests(registry),
    countJob: (task, outcome) => jobs.inc({ task, outcome }),
    stop: stopEvents,
  };
}

function measureRequests(registry: Registry): Middleware {
  const duration = new Histogram({
    name: 'plinto_http_request_duration_seconds',
    help: 'Seconds from request to answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  return async (ctx, next) => {
    const stop = duration.startTimer({ method: ctx.method });
    await next();
    stop({ route: routeNameOf(ctx), status: String(ctx.status) });
  };
}

function gaugePool(registry: Registry, db: Db): void {
  type Pool = { numUsed: () => number; numPendingAcquires: () => number };
  const { pool } = db.client as { pool: Pool };
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
}

/** Counts what slices say happened, which they say to nobody in particular. */
function countEvents(registry: Registry): () => void {
  const events = new Counter({
    name: 'plinto_events_total',
    help: 'Audited events, such as sign_in.failed and its reason, or grant.reuse_detected.',
    labelNames: ['type', 'reason'],
    registers: [registry],
  });
  const tokens = new Counter({
    name: 'plinto_tokens_issued_total',
    help: 'Answers of the token endpoint with tokens.',
    labelNames: ['grant_type'],
    registers: [registry],
  });
  const onEvent = (message: unknown): void => {
    const event = message as AuditEvent;
    const reason = event.type === 'sign_in.failed' ? event.data.reason : '';
    events.inc({ type: event.type, reason });
  };
  const onTokens = (message: unknown): void => {
    tokens.inc({ grant_type: (message as { grantType: string }).grantType });
  };
  subscribe(AUDIT_RECORDED, onEvent);
  subscribe(TOKENS_ISSUED, onTokens);
  return () => {
    unsubscribe(AUDIT_RECORDED, onEvent);
    unsubscribe(TOKENS_ISSUED, onTokens);
  };
}
