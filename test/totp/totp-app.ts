import { generateSync } from 'otplib';
import { seal } from '../../src/crypto/secret-box.ts';
import { createKey } from '../../src/totp/match-code.ts';
import type { User } from '../../src/users/store.ts';
import type { TestApp } from '../support/app.ts';

/** The app on somebody's phone: `code` gives what it shows so many time steps from now. */
export type PhoneApp = { secret: string; code: (steps?: number) => string };

const PERIOD = 30;

/** A phone that has this key, at this moment: its steps don't move while a test runs. */
export function phoneWith(secret: string): PhoneApp {
  const now = Math.floor(Date.now() / 1000);
  return {
    secret,
    code: (steps = 0) => generateSync({ secret, epoch: now + steps * PERIOD }),
  };
}

/** Gives a person an app that is set up, as if long ago. */
export async function giveApp(app: TestApp, user: User): Promise<PhoneApp> {
  const { deps, keyring } = app.runtime;
  const secret = createKey(deps.randomBytes);
  await deps.db('totp_credentials').insert({
    user_id: user.id,
    id: user.id,
    secret: seal(keyring.box, `totp ${user.id}`, secret),
  });
  return phoneWith(secret);
}
