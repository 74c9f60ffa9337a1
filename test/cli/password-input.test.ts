import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { readPassword } from '../../src/cli/terminal/password-input.ts';

/** A terminal at which this is typed. */
function terminal(typed: string, isTTY = true) {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = new PassThrough();
  input.end(typed);
  return { input, output };
}

test.each([
  { name: 'line by line', typed: 'violet kettle\rviolet kettle\r' },
  { name: 'and corrected', typed: 'violett\x7f kettle\rviolet kettle\r' },
])('a password typed twice $name is taken, and never shown', async ({ typed }) => {
  const at = terminal(typed);
  expect(await readPassword(false, at)).toBe('violet kettle');
  at.output.end();
  expect(await text(at.output)).toBe('Password: \nOnce more: \n');
});

test.each([
  { name: 'typed differently', typed: 'one\rother\r', says: 'the two passwords differ' },
  { name: 'not typed', typed: '\r\r', says: 'no password was typed' },
  { name: 'interrupted', typed: 'one\r\x03', says: 'stopped: nothing was changed' },
  { name: 'ended', typed: 'one\r', says: 'stopped: nothing was changed' },
])('a password $name is refused', async ({ typed, says }) => {
  await expect(readPassword(false, terminal(typed))).rejects.toThrow(says);
});

test.each([
  { typed: 'violet kettle', password: 'violet kettle' },
  { typed: 'violet kettle\n', password: 'violet kettle' },
  { typed: ' violet kettle \r\n', password: ' violet kettle ' },
  { typed: 'two\nlines\n', password: 'two\nlines' },
])('standard input $typed is the password $password', async ({ typed, password }) => {
  expect(await readPassword(true, terminal(typed, false))).toBe(password);
});

test.each([
  { fromStdin: true, says: 'standard input holds no password' },
  { fromStdin: false, says: 'pipe it in with --password-stdin' },
])('nothing to read is told: %o', async ({ fromStdin, says }) => {
  await expect(readPassword(fromStdin, terminal('', false))).rejects.toThrow(says);
});
