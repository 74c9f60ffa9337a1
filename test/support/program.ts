import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Program = {
  /** What it has printed so far, errors included. */
  output: () => string;
  /** The first match in what it prints. Rejects with all it printed when it ends without one. */
  saw: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Resolves with the exit code once it has ended. */
  ended: Promise<number | null>;
  /** SIGTERM, and waits for the end. */
  stop: () => Promise<number | null>;
};

/** Starts a program as a process of its own, as a person does at a terminal. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: { env: Record<string, string>; cwd?: string; uid?: number; gid?: number },
): Program {
  const { PATH = '', HOME = '/' } = process.env;
  const child: ChildProcess = spawn(command, args, {
    ...options,
    env: { PATH, HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const changed = new EventTarget();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      changed.dispatchEvent(new Event('output'));
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    output: () => output,
    ended,
    saw: async (pattern) => {
      let over = false;
      const end = ended.then(() => {
        over = true;
      });
      for (;;) {
        const match = pattern.exec(output);
        if (match !== null) return match;
        if (over) throw new Error(`${command} ${args.join(' ')} ended after:\n${output}`);
        await Promise.race([once(changed, 'output'), end]);
      }
    },
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
