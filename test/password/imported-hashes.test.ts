import { afterAll, beforeAll, expect, test } from 'vitest';
import { OWASP_COST } from '../../src/crypto/password-hash.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor } from '../support/visitor.ts';

/** Made of `violet-kettle-orbits-42` by passlib and Django. */
const HASHES = [
  ['bcrypt', '$2b$06$r15pKsAw5fr6VnieW0hXDe33nTR/ERMJWauO9iwTO/roXpQJycl1q'],
  ['bcrypt of PHP', '$2y$06$UzbXXtOB1Jx/Lcu84aGz1.03cmGWy8nnMG4i7XOVHBtWuvptafUI6'],
  [
    'scrypt',
    '$scrypt$ln=14,r=8,p=1$WUtpjTFmrBWCEGLsvXeu9Q$Jb6OJc7yK0CGtmu0cumrU+lKuRnFW1SxMxRXAg++Ko4',
  ],
  [
    'PBKDF2',
    '$pbkdf2-sha256$29000$xPgfY4wx5vzfew9BCIFwTg$84ReZzOJWctyz7ngbvmoMJSSjZrvjZqW0nX9ZE1/TPg',
  ],
  [
    'PBKDF2 of Django',
    'pbkdf2_sha256$26000$aSaltOfDjango12$wuhhuYA460oFBhTOVFchRMmAnEeuu6x+mQowXPn5bz8=',
  ],
  [
    'argon2i',
    '$argon2i$v=19$m=8192,t=1,p=2$UkrpPSdEiNF6r5US4rw3pg$bNsC5tcmV3iyhi4lFKEMOgyNnQFjb3o48Q8G5vHgcvw',
  ],
] as const;
const TODAY = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/;

let app: TestApp;
let clientId: string;
let userId: string;

beforeAll(async () => {
  app = await startApp({}, undefined, OWASP_COST);
  ({ id: userId } = await app.createUser());
  clientId = (await app.createClient()).client.id;
});
afterAll(() => app.stop());

const passwords = () => app.runtime.deps.db('passwords').where({ user_id: userId });
const storedHash = async (): Promise<string> => (await passwords().first('hash')).hash;

async function accepts(password: string): Promise<boolean> {
  const url = authorizationUrl(app, clientId);
  const page = await createVisitor().signIn(url, CALLBACK, { password });
  if (!page.url.startsWith(CALLBACK)) expect(alertText(page)).toContain('Wrong');
  return page.url.startsWith(`${CALLBACK}?code=`);
}

test.each(HASHES)(
  'an imported hash of %s signs its owner in, who then has one of today',
  async (_, hash) => {
    await passwords().update({ hash });
    expect(await accepts('walnut-harbor-thimble-77')).toBe(false);
    expect(await storedHash()).toBe(hash);
    expect(await accepts(PASSWORD)).toBe(true);
    const renewed = await storedHash();
    expect(renewed).toMatch(TODAY);
    expect(await accepts(PASSWORD)).toBe(true);
    expect(await accepts('walnut-harbor-thimble-77')).toBe(false);
    expect(await storedHash()).toBe(renewed);
  },
);

test('an imported hash of what was typed, not of its normal form, verifies until it is replaced', async () => {
  // Made by Python's bcrypt; the last letter is a ligature, which has another normal form.
  const typed = 'Grüner-Möwen-Ärger-7 ﬁ';
  await passwords().update({
    hash: '$2b$05$Oj/SDdcsVbSuxWg6jsH3pOK5LMe3ShqP.NbC8FW8MfYH1hnuf3LHq',
  });
  expect(await accepts('Grüner-Möwen-Ärger-7 fi')).toBe(false);
  expect(await accepts(typed)).toBe(true);
  expect(await storedHash()).toMatch(TODAY);
  expect(await accepts('Grüner-Möwen-Ärger-7 fi')).toBe(true);
  expect(await accepts(typed)).toBe(true);
});
