import { createInterface } from 'node:readline/promises';

type Terminal = {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream;
};

const STANDARD: Terminal = { input: process.stdin, output: process.stderr };

/**
 * Has somebody type the name of what they are about to lose.
 *
 * @throws Error when they type anything else, or there is nobody to ask.
 */
export async function confirmByName(
  question: string,
  name: string,
  terminal: Terminal = STANDARD,
): Promise<void> {
  if (terminal.input.isTTY !== true) {
    throw new Error('this is no terminal to ask whether you are sure: say so with --yes');
  }
  const lines = createInterface({ ...terminal, terminal: true });
  const stopped = new Promise<undefined>((resolve) =>
    lines.once('close', () => resolve(undefined)),
  );
  try {
    const typed = await Promise.race([lines.question(question), stopped]);
    if (typed?.trim() !== name) throw new Error('the name differs: nothing was changed');
  } finally {
    lines.close();
  }
}
