import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { confirmByName } from '../../src/cli/terminal/confirm.ts';

/** A terminal at which this is typed. */
function terminal(typed: string, isTTY = true) {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = new PassThrough();
  input.end(typed);
  return { input, output };
}

test('the name, typed, is a yes', async () => {
  const at = terminal('ada@example.com\r');
  await confirmByName('Type ada@example.com to go on: ', 'ada@example.com', at);
  at.output.end();
  expect(await text(at.output)).toContain('Type ada@example.com to go on: ');
});

test.each([
  { name: 'another name', typed: 'bob@example.com\r', says: 'the name differs' },
  { name: 'nothing', typed: '\r', says: 'the name differs' },
  { name: 'an interruption', typed: 'ada\x03', says: 'nothing was changed' },
  { name: 'an end', typed: '', says: 'nothing was changed' },
])('$name is a no', async ({ typed, says }) => {
  const asked = confirmByName('? ', 'ada@example.com', terminal(typed));
  await expect(asked).rejects.toThrow(says);
});

test('without a terminal nobody is asked, and it is a no', async () => {
  const asked = confirmByName('? ', 'ada', terminal('ada\n', false));
  await expect(asked).rejects.toThrow('say so with --yes');
});
