import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createPasswordHasher } from '../../src/crypto/password-hash.ts';
import { readPasswordHash } from '../../src/crypto/password-schemes/read-hash.ts';

const hasher = createPasswordHasher({ concurrency: 2, queue: 100 });
const P = 'violet-kettle-orbits-42';

const b64 = (bytes: string | Buffer) => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
const fromHex = (hex: string) => b64(Buffer.from(hex, 'hex'));
const scryptOf = (ln: number, r: number, p: number, salt: string, hex: string) =>
  `$scrypt$ln=${ln},r=${r},p=${p}$${b64(salt)}$${fromHex(hex)}`;

/** Source, password, hash. */
const VECTORS: [string, string, string][] = [
  [
    'RFC 7914 §12, N=16',
    '',
    scryptOf(
      4,
      1,
      1,
      '',
      '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
    ),
  ],
  [
    'RFC 7914 §12, N=1024',
    'password',
    scryptOf(
      10,
      8,
      16,
      'NaCl',
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    ),
  ],
  [
    'RFC 7914 §12, N=16384',
    'pleaseletmein',
    scryptOf(
      14,
      8,
      1,
      'SodiumChloride',
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    ),
  ],
  [
    'passlib scrypt',
    P,
    '$scrypt$ln=14,r=8,p=1$WUtpjTFmrBWCEGLsvXeu9Q$Jb6OJc7yK0CGtmu0cumrU+lKuRnFW1SxMxRXAg++Ko4',
  ],
  [
    'Django scrypt',
    P,
    'scrypt$16384$aSaltOfDjango12$8$5$Zt2dgmtRlIfG3tcgVoyPYupuAo97w4Z+/JPImyYMX6BSkhIIyHNT0cEajuJKZLqjwtPbBlZg8yUKzjPGx5lQzQ==',
  ],
  [
    'RFC 6070, one round',
    'password',
    `$pbkdf2$1$${b64('salt')}$${fromHex('0c60c80f961f0e71f3a9b524af6012062fe037a6')}`,
  ],
  [
    'RFC 6070, 4096 rounds',
    'password',
    `$pbkdf2-sha1$4096$${b64('salt')}$${fromHex('4b007901b765489abead49d926f721d065a429c1')}`,
  ],
  [
    'RFC 6070, 25 bytes',
    'passwordPASSWORDpassword',
    `$pbkdf2-sha1$i=4096,l=25$${b64('saltSALTsaltSALTsaltSALTsaltSALTsalt')}$${fromHex('3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038')}`,
  ],
  [
    'RFC 7914 §11, one round',
    'passwd',
    `$pbkdf2-sha256$1$${b64('salt')}$${fromHex('55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783')}`,
  ],
  [
    'RFC 7914 §11, 80000 rounds',
    'Password',
    `$pbkdf2-sha256$i=80000$${b64('NaCl')}$${fromHex('4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d')}`,
  ],
  ['passlib pbkdf2', P, '$pbkdf2$1000$6b03BoCQ8n7PubdWKqW0lg$bVbOSAe7NhNucxIV/NBG5BSZb.Q'],
  [
    'passlib pbkdf2-sha256',
    P,
    '$pbkdf2-sha256$29000$xPgfY4wx5vzfew9BCIFwTg$84ReZzOJWctyz7ngbvmoMJSSjZrvjZqW0nX9ZE1/TPg',
  ],
  [
    'passlib pbkdf2-sha512',
    P,
    '$pbkdf2-sha512$25000$7f0/xxgDQMjZ.1/LuXeOsQ$fgrw0msaj4JMQlFMrgnWzf.0F8nGPUHnmwUuJqPG5MrIufbprQj4ld0qoOx9.LAER/yMKeklmVOIRNr0Hh04AA',
  ],
  [
    'Django pbkdf2_sha256',
    P,
    'pbkdf2_sha256$26000$aSaltOfDjango12$wuhhuYA460oFBhTOVFchRMmAnEeuu6x+mQowXPn5bz8=',
  ],
  ['Django pbkdf2_sha1', P, 'pbkdf2_sha1$10000$aSaltOfDjango12$j8Sa991mSDDMu0K1NxF+eyO89hU='],
  ['jBCrypt, nothing', '', '$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.'],
  ['jBCrypt, a', 'a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe'],
  ['jBCrypt, abc', 'abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'],
  ['crypt_blowfish', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['passlib 2b', P, '$2b$06$r15pKsAw5fr6VnieW0hXDe33nTR/ERMJWauO9iwTO/roXpQJycl1q'],
  ['passlib 2y', P, '$2y$06$UzbXXtOB1Jx/Lcu84aGz1.03cmGWy8nnMG4i7XOVHBtWuvptafUI6'],
  ['passlib 2a', P, '$2a$06$88MKvQ7C4IcWF3MVLjNGfe7mgJ.PM.GuL9hdoQ6owFHDF8mLsxEl2'],
  [
    'passlib argon2i',
    P,
    '$argon2i$v=19$m=8192,t=1,p=2$UkrpPSdEiNF6r5US4rw3pg$bNsC5tcmV3iyhi4lFKEMOgyNnQFjb3o48Q8G5vHgcvw',
  ],
  [
    'passlib argon2d',
    P,
    '$argon2d$v=19$m=8192,t=1,p=2$fK/1/p/TWqvVWitFyDmnVA$KZh5Ddgtue7BljIsf++Ar9FhjGMjHQ/3VnNah4lRez0',
  ],
  [
    'passlib argon2id',
    P,
    '$argon2id$v=19$m=8192,t=1,p=2$J8QY41zrfS+FkHLO2dub0w$yPmYUE8oK60nTDFYVjGfWRSW2jSMlT+TLvQ5rHCTDso',
  ],
];

test.each(VECTORS)('%s: the right password verifies, others do not', async (_, password, hash) => {
  expect(await hasher.verify(hash, password)).toBe(true);
  expect(await hasher.verify(hash, `${password}x`)).toBe(false);
  expect(hasher.isStale(hash)).toBe(true);
});

describe('bcrypt', () => {
  // Made by Python's bcrypt of 72 times x and something after it.
  const LONG = '$2b$05$VKeBUhYsWYwYqhce3z/9DuPnoRzcnvFAhOf2NU85QvJvo/6yua20G';

  test.each([
    ['2b', LONG],
    ['2a', LONG.replace('2b', '2a')],
    ['2y', LONG.replace('2b', '2y')],
  ])(
    '%s looks at 72 bytes of a password, as the system did that made the hash',
    async (_, hash) => {
      expect(await hasher.verify(hash, 'x'.repeat(72))).toBe(true);
      expect(await hasher.verify(hash, 'x'.repeat(300))).toBe(true);
      expect(await hasher.verify(hash, 'x'.repeat(71))).toBe(false);
      expect(await hasher.verify(hash, `${'x'.repeat(71)}y`)).toBe(false);
    },
  );

  test('never takes what comes before a NUL for the password', async () => {
    const abc = '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i';
    expect(await hasher.verify(abc, 'abc\0')).toBe(false);
    expect(await hasher.verify(abc, 'abc\0anything')).toBe(false);
  });

  test('hashes of other scripts verify by their bytes', async () => {
    const hash = '$2b$05$Oj/SDdcsVbSuxWg6jsH3pOK5LMe3ShqP.NbC8FW8MfYH1hnuf3LHq';
    expect(await hasher.verify(hash, 'Grüner-Möwen-Ärger-7 ﬁ')).toBe(true);
    expect(await hasher.verify(hash, 'Gruner-Mowen-Arger-7 ﬁ')).toBe(false);
  });
});

const SALT = b64('sixteen bytes of');
const DIGEST = b64(createHash('sha256').update('x').digest());
const BCRYPT_TAIL = 'N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';

describe('security 27: nothing is computed for a stored hash', () => {
  test.each([
    ['argon2 with 1 GiB', `$argon2id$v=19$m=1048576,t=2,p=1$${SALT}$${DIGEST}`],
    ['argon2 with 11 passes', `$argon2id$v=19$m=8192,t=11,p=1$${SALT}$${DIGEST}`],
    ['argon2 with 17 lanes', `$argon2id$v=19$m=8192,t=1,p=17$${SALT}$${DIGEST}`],
    ['argon2 with much memory in many passes', `$argon2id$v=19$m=131072,t=5,p=1$${SALT}$${DIGEST}`],
    ['bcrypt of cost 15', `$2b$15$${BCRYPT_TAIL}`],
    ['bcrypt of cost 99', `$2y$99$${BCRYPT_TAIL}`],
    ['scrypt with 256 MiB', `$scrypt$ln=18,r=8,p=1$${SALT}$${DIGEST}`],
    ['scrypt with N of 2^63', `$scrypt$ln=63,r=8,p=1$${SALT}$${DIGEST}`],
    ['scrypt with large blocks', `$scrypt$ln=10,r=99999,p=1$${SALT}$${DIGEST}`],
    ['scrypt with many lanes', `$scrypt$ln=14,r=8,p=99999$${SALT}$${DIGEST}`],
    ['Django scrypt with 1 GiB', `scrypt$1048576$salt$8$1$${DIGEST}`],
    ['PBKDF2 with six million rounds', `$pbkdf2-sha256$6000000$${SALT}$${DIGEST}`],
    ['PBKDF2 with three million rounds of SHA-512', `$pbkdf2-sha512$3000000$${SALT}$${DIGEST}`],
    [
      'PBKDF2 with three million rounds for each of two blocks',
      `$pbkdf2-sha256$3000000$${SALT}$${b64('x'.repeat(64))}`,
    ],
    ['Django PBKDF2 with 9999999999 rounds', `pbkdf2_sha256$9999999999$salt$${DIGEST}`],
  ])('that is too expensive: %s', async (_, hash) => {
    expect(readPasswordHash(hash)).toEqual({ ok: false, reason: 'hash_too_expensive' });
    expect(await hasher.verify(hash, P)).toBe(false);
    expect(hasher.isStale(hash)).toBe(true);
  });

  test.each([
    ['argon2 without parameters', `$argon2id$v=19$${SALT}$${DIGEST}`],
    ['argon2 with a parameter twice', `$argon2id$v=19$m=8192,m=8192,t=1$${SALT}$${DIGEST}`],
    ['argon2 of no passes', `$argon2id$v=19$m=8192,t=0,p=1$${SALT}$${DIGEST}`],
    ['argon2 with less memory than its lanes need', `$argon2id$v=19$m=8,t=1,p=2$${SALT}$${DIGEST}`],
    ['argon2 of version 18', `$argon2id$v=18$m=8192,t=1,p=1$${SALT}$${DIGEST}`],
    ['argon2 with a short salt', `$argon2id$v=19$m=8192,t=1,p=1$c2FsdA$${DIGEST}`],
    ['argon2 with a digest of a byte', `$argon2id$v=19$m=8192,t=1,p=1$${SALT}$QQ`],
    ['argon2 with a key', `$argon2id$v=19$m=8192,t=1,p=1,keyid=QQ$${SALT}$${DIGEST}`],
    ['argon2 cut off', `$argon2id$v=19$m=8192,t=1,p=1$${SALT}`],
    ['bcrypt of cost 3', `$2b$03$${BCRYPT_TAIL}`],
    ['bcrypt of cost -1', `$2b$-1$${BCRYPT_TAIL}`],
    ['bcrypt cut off', `$2b$10$${BCRYPT_TAIL.slice(1)}`],
    ['bcrypt with more behind it', `$2b$10$${BCRYPT_TAIL}x`],
    ['bcrypt of the buggy variant', `$2x$10$${BCRYPT_TAIL}`],
    ['scrypt of N=1', `$scrypt$ln=0,r=8,p=1$${SALT}$${DIGEST}`],
    ['scrypt of no blocks', `$scrypt$ln=14,r=0,p=1$${SALT}$${DIGEST}`],
    ['scrypt of N too large for its blocks', `$scrypt$ln=16,r=1,p=1$${SALT}$${DIGEST}`],
    ['scrypt with a negative cost', `$scrypt$ln=-1,r=8,p=1$${SALT}$${DIGEST}`],
    ['Django scrypt of N that is no power of two', `scrypt$16383$salt$8$1$${DIGEST}`],
    ['PBKDF2 of no rounds', `$pbkdf2-sha256$0$${SALT}$${DIGEST}`],
    ['PBKDF2 of rounds in hex', `$pbkdf2-sha256$0x10$${SALT}$${DIGEST}`],
    ['PBKDF2 with MD5', `$pbkdf2-md5$1000$${SALT}$${DIGEST}`],
    ['PBKDF2 of another length than it says', `$pbkdf2-sha256$i=1000,l=16$${SALT}$${DIGEST}`],
    ['PBKDF2 with a digest of two bytes', `$pbkdf2-sha256$1000$${SALT}$QUI`],
    ['PBKDF2 with a digest of 65 bytes', `$pbkdf2-sha256$1000$${SALT}$${b64('x'.repeat(65))}`],
    ['PBKDF2 with a huge salt', `$pbkdf2-sha256$1000$${'A'.repeat(100_000)}$${DIGEST}`],
    ['PBKDF2 with a digest that is no Base64', `$pbkdf2-sha256$1000$${SALT}$${'?'.repeat(43)}`],
    [
      'PBKDF2 with a digest spelled otherwise',
      `$pbkdf2-sha256$1000$${SALT}$${DIGEST.slice(0, -1)}/`,
    ],
    ['Django PBKDF2 without a salt', `pbkdf2_sha256$1000$$${DIGEST}`],
  ])('that is malformed: %s', async (_, hash) => {
    expect(readPasswordHash(hash)).toEqual({ ok: false, reason: 'hash_malformed' });
    expect(await hasher.verify(hash, P)).toBe(false);
  });

  test.each([
    ['nothing', ''],
    ['a password', P],
    ['MD5', '5f4dcc3b5aa765d61d8327deb882cf99'],
    ['SHA-512 crypt', '$6$rounds=5000$saltsalt$hash'],
    ['a hash behind a line break', `\n$2b$10$${BCRYPT_TAIL}`],
  ])('of an unknown scheme: %s', async (_, hash) => {
    expect(readPasswordHash(hash)).toEqual({ ok: false, reason: 'hash_unknown' });
    expect(await hasher.verify(hash, P)).toBe(false);
  });
});
