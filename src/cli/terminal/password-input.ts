import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

type Terminal = {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream;
};

const STANDARD: Terminal = { input: process.stdin, output: process.stderr };

/**
 * Reads a new password from standard input or, asked for twice and not shown, from the terminal.
 * Never from an argument, which every process of the machine can read.
 *
 * @throws Error that says what to do when there is none.
 */
export async function readPassword(
  fromStdin: boolean,
  terminal: Terminal = STANDARD,
): Promise<string> {
  if (fromStdin) return readStandardInput('password', terminal);
  if (terminal.input.isTTY !== true) {
    throw new Error('this is no terminal to ask for a password: pipe it in with --password-stdin');
  }
  const [password, again] = await askHidden(['Password: ', 'Once more: '], terminal);
  if (password === '') throw new Error('no password was typed');
  if (password !== again) throw new Error('the two passwords differ: try again');
  return password as string;
}

/** All of standard input but the line's end. @throws Error when there is nothing. */
export async function readStandardInput(
  what: 'password' | 'hash',
  terminal: Terminal = STANDARD,
): Promise<string> {
  const value = (await text(terminal.input)).replace(/\r?\n$/, '');
  if (value === '') throw new Error(`standard input holds no ${what}`);
  return value;
}

async function askHidden(
  questions: readonly string[],
  { input, output }: Terminal,
): Promise<string[]> {
  // Readline echoes to its output; what is typed goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: nowhere, terminal: true });
  lines.on('SIGINT', () => lines.close());
  const typed = lines[Symbol.asyncIterator]();
  const answers: string[] = [];
  try {
    for (const question of questions) {
      output.write(question);
      const { value, done } = await typed.next();
      output.write('\n');
      if (done) throw new Error('stopped: nothing was changed');
      answers.push(value);
    }
    return answers;
  } finally {
    lines.close();
  }
}
