import { createGuardrails, generateSync, ScureBase32Plugin } from 'otplib';
import { describe, expect, test } from 'vitest';
import { matchCode } from '../../src/totp/match-code.ts';
import { showKey } from '../../src/totp/show-key.ts';

const base32 = new ScureBase32Plugin();
const keyOf = (ascii: string) => base32.encode(Buffer.from(ascii), { padding: false });
const SEEDS = {
  sha1: '12345678901234567890',
  sha256: '12345678901234567890123456789012',
  sha512: '1234567890123456789012345678901234567890123456789012345678901234',
} as const;
const OURS = { secret: keyOf(SEEDS.sha1), algorithm: 'sha1', digits: 6, period: 30 } as const;
const NOW = 1_700_000_010;

/** RFC 6238, Appendix B. */
const VECTORS: [number, keyof typeof SEEDS, string][] = [
  [59, 'sha1', '94287082'],
  [59, 'sha256', '46119246'],
  [59, 'sha512', '90693936'],
  [1111111109, 'sha1', '07081804'],
  [1111111109, 'sha256', '68084774'],
  [1111111109, 'sha512', '25091201'],
  [1111111111, 'sha1', '14050471'],
  [1111111111, 'sha256', '67062674'],
  [1111111111, 'sha512', '99943326'],
  [1234567890, 'sha1', '89005924'],
  [1234567890, 'sha256', '91819424'],
  [1234567890, 'sha512', '93441116'],
  [2000000000, 'sha1', '69279037'],
  [2000000000, 'sha256', '90698825'],
  [2000000000, 'sha512', '38618901'],
  [20000000000, 'sha1', '65353130'],
  [20000000000, 'sha256', '77737706'],
  [20000000000, 'sha512', '47863826'],
];

test.each(VECTORS)('at %d s with %s, RFC 6238 has the code %s', (now, algorithm, code) => {
  const key = { secret: keyOf(SEEDS[algorithm]), algorithm, digits: 8, period: 30 };
  expect(matchCode(key, code, now)).toEqual({ kind: 'right', step: Math.floor(now / 30) });
});

const codeAt = (epoch: number) => generateSync({ secret: OURS.secret, epoch });

test.each([
  [-630, { kind: 'wrong' }],
  [-300, { kind: 'drift', seconds: -300 }],
  [-60, { kind: 'drift', seconds: -60 }],
  [-30, { kind: 'right', step: NOW / 30 - 1 }],
  [0, { kind: 'right', step: NOW / 30 }],
  [30, { kind: 'right', step: NOW / 30 + 1 }],
  [60, { kind: 'drift', seconds: 60 }],
  [600, { kind: 'drift', seconds: 600 }],
])('a code of %d s from now is %j', (offset, expected) => {
  expect(NOW % 30).toBe(0);
  expect(matchCode(OURS, codeAt(NOW + offset), NOW)).toEqual(expected);
});

describe('whatever is typed', () => {
  const code = codeAt(NOW);
  const inScript = (zero: number) =>
    [...code].map((digit) => String.fromCodePoint(zero + Number(digit))).join('');

  test.each([
    ['spaced', `${code.slice(0, 3)} ${code.slice(3)}`],
    ['with a no-break space and a dash', `\u00a0${code.slice(0, 3)}–${code.slice(3)} `],
    ['full-width', inScript(0xff10)],
    ['Arabic-Indic', inScript(0x660)],
    ['Extended Arabic-Indic', inScript(0x6f0)],
    ['Devanagari', inScript(0x966)],
  ])('%s digits are read', (_, typed) => {
    expect(matchCode(OURS, typed, NOW)).toMatchObject({ kind: 'right' });
  });

  test.each([
    ['1234567'],
    ['12345'],
    ['abcdef'],
    ['-12345'],
    ['1e5'],
    ['\u0000'],
    ['9'.repeat(10_000)],
    ['12345\u{1d7ce}x'],
  ])('%j is a wrong code and no error', (typed) => {
    expect(matchCode(OURS, typed, NOW)).toEqual({ kind: 'wrong' });
  });

  test.each(['', '  ', ' - '])('%j is none', (typed) => {
    expect(matchCode(OURS, typed, NOW)).toEqual({ kind: 'missing' });
  });
});

describe('a key from elsewhere', () => {
  test('may have 80 bits', () => {
    const secret = keyOf('0123456789');
    const guardrails = createGuardrails({ MIN_SECRET_BYTES: 10 });
    const code = generateSync({ secret, epoch: NOW, guardrails });
    expect(matchCode({ ...OURS, secret }, code, NOW)).toMatchObject({ kind: 'right' });
  });

  test.each([60, 15])('may have a period of %d s', (period) => {
    const code = generateSync({ secret: OURS.secret, epoch: NOW, period });
    const step = Math.floor(NOW / period);
    expect(matchCode({ ...OURS, period }, code, NOW)).toEqual({ kind: 'right', step });
  });

  test.each(['', 'MFRGG', 'not base32!'])('that is broken (%j) has no right code', (secret) => {
    expect(matchCode({ ...OURS, secret }, '123456', NOW)).toEqual({ kind: 'wrong' });
  });
});

test('apps are told the key, whose it is and where, in groups that can be typed', () => {
  const { uri, key, qr } = showKey(OURS.secret, 'Plinto: Öl & Co', 'ada@example.com');
  const url = new URL(uri);
  expect(`${url.protocol}//${url.host}`).toBe('otpauth://totp');
  expect(url.searchParams.get('secret')).toBe(OURS.secret);
  expect(url.searchParams.get('issuer')).toBe('Plinto  Öl & Co');
  expect(decodeURIComponent(url.pathname)).toBe('/Plinto  Öl & Co:ada@example.com');
  expect(key.replaceAll(' ', '')).toBe(OURS.secret);
  expect(Math.max(...key.split(' ').map(({ length }) => length))).toBe(4);
  // Four modules of quiet on every side, then the corner of a finder.
  expect(qr.path).toMatch(/^M4 4h7v1h-7z/);
});
