import { expect, test } from 'vitest';
import { deriveKeyring } from '../../src/crypto/keyring.ts';
import { isStale, open, openWith, seal, sealWith } from '../../src/crypto/secret-box.ts';

const OLD = 'an-old-secret-of-enough-characters-for-tests';
const NEW = 'the-new-secret-of-enough-characters-for-test';
const { box } = deriveKeyring([NEW]);

test('what was sealed opens again, and never twice to the same ciphertext', () => {
  const one = seal(box, 'kid-1', 'a private key ✓');
  expect(open(box, 'kid-1', one)).toBe('a private key ✓');
  expect(seal(box, 'kid-1', 'a private key ✓')).not.toBe(one);
  expect(one).not.toContain('private');
});

test('a ciphertext moved to another row does not open', () => {
  expect(() => open(box, 'kid-2', seal(box, 'kid-1', 'x'))).toThrow();
});

test('a ciphertext with any byte changed does not open', () => {
  const [version, id, iv, body] = seal(box, 'kid-1', 'hello').split('.');
  const bytes = Buffer.from(String(body), 'base64url');
  for (let i = 0; i < bytes.length; i += 1) {
    const changed = Buffer.from(bytes);
    changed[i] = (changed[i] as number) ^ 1;
    const value = [version, id, iv, changed.toString('base64url')].join('.');
    expect(() => open(box, 'kid-1', value)).toThrow();
  }
});

test('during a rotation the old key still opens, and is seen to be old', () => {
  const before = seal(deriveKeyring([OLD]).box, 'kid-1', 'x');
  const both = deriveKeyring([NEW, OLD]).box;
  expect(open(both, 'kid-1', before)).toBe('x');
  expect(isStale(both, before)).toBe(true);
  expect(isStale(both, seal(both, 'kid-1', 'x'))).toBe(false);
});

test('without the key it was sealed with, the error says that the secret is gone', () => {
  const before = seal(deriveKeyring([OLD]).box, 'kid-1', 'x');
  expect(() => open(box, 'kid-1', before)).toThrow(/PLINTO_SECRET/);
});

test('what is sealed under a bearer value opens with that value only', () => {
  const sealed = sealWith('the-uid', 'payload');
  expect(openWith('the-uid', sealed)).toBe('payload');
  expect(() => openWith('another-uid', sealed)).toThrow();
});

test('every purpose has a key of its own', () => {
  const keyring = deriveKeyring([NEW]);
  const keys = [keyring.box, keyring.clientSecrets, keyring.csrf, keyring.rowHandles]
    .flat()
    .map(({ bytes }) => bytes.toString('hex'))
    .concat(keyring.cookies, keyring.dpopNonce.toString('hex'));
  expect(new Set(keys).size).toBe(keys.length);
});
