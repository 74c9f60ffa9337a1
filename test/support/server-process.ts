import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { freePort, SECRET } from './app.ts';

const ROOT = new URL('../../', import.meta.url);
/** What `npm start` runs, with paths that hold from anywhere: a developer's .env stays out. */
const START = manifest.scripts.start
  .split(' ')
  .slice(1)
  .map((arg) => (arg.startsWith('src/') ? fileURLToPath(new URL(arg, ROOT)) : arg));
const START_LIMIT_MS = 60_000;
const POLL_MS = 25;

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type ServerProcess = {
  /** Its own address; the issuer may be another one's. */
  url: string;
  /** Where health and metrics are. */
  management: string;
  pid: number;
  /** Milliseconds from spawning it to the first readiness. */
  startedIn: number;
  /** Everything it has printed, errors included. */
  output: () => string;
  /** Settles when it is gone, however that came. */
  ended: Promise<Exit>;
  /** Sends a signal and waits until it is gone. */
  kill: (signal?: NodeJS.Signals) => Promise<Exit>;
};

/**
 * The real program, as `npm start` runs it, as a process of its own, ready. Rejects with what it
 * printed when it ends before that. Without DATABASE_URL in `env` it runs its embedded database.
 */
export async function startServerProcess(env: Record<string, string>): Promise<ServerProcess> {
  const port = env.PORT ?? String(await freePort());
  const managementPort = String(await freePort());
  const began = performance.now();
  const child = spawn(process.execPath, START, {
    cwd: tmpdir(),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ISSUER: `http://localhost:${port}`,
      PLINTO_SECRET: SECRET,
      ...env,
      PORT: port,
      HOST: '127.0.0.1',
      MANAGEMENT_PORT: managementPort,
      MANAGEMENT_HOST: '127.0.0.1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  let exit: Exit | undefined;
  const ended = once(child, 'close').then(([code, signal]) => {
    exit = { code, signal };
    return exit;
  });
  const management = `http://127.0.0.1:${managementPort}`;
  const deadline = began + START_LIMIT_MS;
  while ((await statusOf(`${management}/health/ready`)) !== 200) {
    if (exit !== undefined || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the server did not start:\n${output}`);
    }
    await delay(POLL_MS);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    management,
    pid: child.pid as number,
    startedIn: performance.now() - began,
    output: () => output,
    ended,
    kill: (signal = 'SIGKILL') => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Status of a GET; undefined when nothing answers. */
export async function statusOf(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}
