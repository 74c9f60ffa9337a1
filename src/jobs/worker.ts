import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Runner,
  run,
  type TaskList,
  type WorkerEvents,
  Logger as WorkerLogger,
} from 'graphile-worker';
import pg from 'pg';
import type { Logger } from 'pino';
import { releaseAbandonedJobs } from './store.ts';
import { SCHEDULE, type Tasks } from './tasks.ts';

/** Milliseconds before a runner that gave up (its database went away) is started again. */
const RESTART_MS = 2000;

/** Milliseconds that jobs under way get to finish; the queue gives them to another process later. */
const STOP_MS = 5000;

const CONNECT_MS = 2000;

/** Jobs at a time; most of them wait for another server. */
const CONCURRENCY = 4;

/** Seconds after which a job is held to be abandoned; each ends within a minute, or may run twice. */
const ABANDONED = 120;

/** Milliseconds between two looks for abandoned jobs. */
const LOOK_MS = 30_000;

/** How a run of a job ended; `dead` ones failed for the last time. */
export type JobOutcome = 'succeeded' | 'failed' | 'dead';

export type Worker = { stop: () => Promise<void> };

/** Runs queued and scheduled jobs until stopped, through restarts of the database. */
export function startWorker(options: {
  url: string;
  log: Logger;
  tasks: Tasks;
  onOutcome: (task: string, outcome: JobOutcome) => void;
}): Worker {
  const { url, log, tasks, onOutcome } = options;
  const events: WorkerEvents = new EventEmitter();
  events.on('job:success', ({ job }) => onOutcome(job.task_identifier, 'succeeded'));
  events.on('job:error', ({ job }) => onOutcome(job.task_identifier, 'failed'));
  events.on('job:failed', ({ job }) => onOutcome(job.task_identifier, 'dead'));
  const stopping = new AbortController();
  const pgPool = openJobPool(url, log);
  const running = keepRunning(stopping.signal, log, () =>
    run({
      pgPool,
      taskList: tasks as unknown as TaskList,
      crontab: SCHEDULE,
      concurrency: CONCURRENCY,
      pollInterval: 5000,
      noHandleSignals: true,
      logger: workerLogger(log),
      events,
      // Batched, even though at once: otherwise a job's end that the database can't be told is a
      // rejection that nobody handles, which ends the process; this way it ends the runner.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    }),
  );
  const look = (): void => {
    releaseAbandonedJobs(pgPool, ABANDONED).catch((err) =>
      log.warn({ err, component: 'jobs' }, 'could not look for abandoned jobs'),
    );
  };
  look();
  const looking = setInterval(look, LOOK_MS);
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(looking);
      const stopped = running.then(() => pgPool.end());
      await Promise.race([stopped, delay(STOP_MS, undefined, { ref: false })]);
    },
  };
}

/** The queue's own connections, listened to until they are closed: a lost one must not be fatal. */
function openJobPool(url: string, log: Logger): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'plinto jobs',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    // One listens, and one each for taking, ending and looking.
    max: CONCURRENCY + 2,
  });
  const note = (err: Error): void => log.warn({ err, component: 'jobs' }, 'lost a connection');
  pool.on('error', note);
  pool.on('connect', (client) => client.on('error', note));
  return pool;
}

async function keepRunning(
  signal: AbortSignal,
  log: Logger,
  start: () => Promise<Runner>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const runner = await start();
      const stopped = onceAborted(signal).then(() => runner.stop());
      await Promise.race([stopped, runner.promise]);
      if (signal.aborted) await stopped;
      else log.warn({ component: 'jobs' }, 'the job runner stopped');
    } catch (error) {
      log.warn({ err: error, component: 'jobs' }, 'the job runner stopped');
    }
    await delay(RESTART_MS, undefined, { signal }).catch(() => {});
  }
}

function onceAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function workerLogger(log: Logger): WorkerLogger {
  const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const;
  return new WorkerLogger(() => (level, message) => {
    log[levels[level]]({ component: 'jobs' }, message);
  });
}
