import { describe, expect, test } from 'vitest';
import { checkPassword, normalizePassword } from '../../src/password/rules.ts';

const ADA = ['ada@example.com', 'lovelace', 'Ada Byron', 'Plinto', null, undefined];
/** Random, so that only its length decides. */
const NOISE = Array.from({ length: 300 }, (_, i) =>
  String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000)),
);
const noise = (length: number) => NOISE.slice(0, length).join('');

describe('a new password', () => {
  test.each([
    ['words in a row', 'violet-kettle-orbits-42'],
    ['words with spaces', 'my lovely horse is running'],
    ['lower case only', 'mossy turnip lantern'],
    ['random characters', 'aB3$xK9!qW7&zP2'],
    ['other scripts', 'Zürich-Gießkanne-Ölbaum'],
    ['15 characters', noise(15)],
    ['64 characters', noise(64)],
    ['256 characters', noise(256)],
    ['15 characters outside the BMP', [...'🔑🔒🌍🌳🐈🐕🍎🥐🎹🎺🎻🚀🧭🪁🫖'].join('')],
    ['somebody else’s name', 'grace hopper sails west'],
    ['a short word of the person’s own', 'mossy ada turnip lantern'],
  ])('may be %s', async (_, password) => {
    expect(await checkPassword(password, ADA)).toBeUndefined();
  });

  test.each([
    ['password_too_short', 'nothing', ''],
    ['password_too_short', '14 characters', noise(14)],
    ['password_too_short', '14 characters in 56 bytes', '🔑🔒🌍🌳🐈🐕🍎🥐🎹🎺🎻🚀🧭🪁'],
    [
      'password_too_short',
      '14 characters that are 28 before they are composed',
      'a\u0308'.repeat(14),
    ],
    ['password_too_long', '257 characters', noise(257)],
    ['password_common', 'a common password twice', 'passwordpassword'],
    ['password_common', 'a common password with digits', 'Password12345678'],
    ['password_common', 'letters swapped for signs', 'p@ssw0rdp@ssw0rd'],
    ['password_common', 'keys in a row', 'qwertyuiopasdfgh'],
    ['password_common', 'the alphabet', 'abcdefghijklmnop'],
    ['password_common', 'one character', 'aaaaaaaaaaaaaaaaaaaa'],
    ['password_common', 'digits', '123456789012345'],
    ['password_common', 'spaces', ' '.repeat(15)],
    ['password_common', 'full-width letters of a common one', 'ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ'],
    ['password_context', 'the address', 'ada@example.com-1'],
    ['password_context', 'the address in capitals', 'ADA@EXAMPLE.COM!!'],
    ['password_context', 'the username', 'lovelacelovelace'],
    ['password_context', 'the name', 'byronbyronbyronby'],
    ['password_context', 'the product', 'plinto plinto 2026'],
  ] as const)('is refused as %s when it is %s', async (problem, _, password) => {
    expect(await checkPassword(password, ADA)).toBe(problem);
  });
});

test('the same characters typed another way are the same password', () => {
  expect(normalizePassword('ﬁne Gru\u0308n ①')).toBe(normalizePassword('fine Grün 1'));
});
