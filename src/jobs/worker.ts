import { type Runner, run, type TaskList, Logger as WorkerLogger } from 'graphile-worker';
import type { Logger } from 'pino';
import { SCHEDULE, type Tasks } from './tasks.ts';

/** Milliseconds before a runner that gave up (its database went away) is started again. */
const RESTART_MS = 2000;

export type Worker = { stop: () => Promise<void> };

/** Runs queued and scheduled jobs until stopped, through restarts of the database. */
export function startWorker(url: string, log: Logger, tasks: Tasks): Worker {
  let runner: Runner | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const start = async (): Promise<void> => {
    try {
      runner = await run({
        connectionString: url,
        taskList: tasks as unknown as TaskList,
        crontab: SCHEDULE,
        concurrency: 2,
        maxPoolSize: 4,
        pollInterval: 5000,
        noHandleSignals: true,
        logger: workerLogger(log),
      });
      await runner.promise;
    } catch (error) {
      log.warn({ err: error }, 'the job runner stopped');
    }
    if (!stopped) timer = setTimeout(() => void start(), RESTART_MS);
  };

  const running = start();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await runner?.stop().catch(() => {});
      await running;
    },
  };
}

function workerLogger(log: Logger): WorkerLogger {
  const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const;
  return new WorkerLogger(() => (level, message) => {
    log[levels[level]]({ component: 'jobs' }, message);
  });
}
