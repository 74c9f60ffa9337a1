import type { Trx } from '../deps.ts';
import { issueCode } from '../one-time-codes/issue-code.ts';
import type { ThrottleKey } from '../throttle/throttle.ts';
import { foldCase } from '../users/identifiers.ts';
import { findUserByIdentifier } from '../users/store.ts';
import type { Names } from './names.ts';
import type { Interaction, Registration } from './registration.ts';

/** A sign-up that waits for its address to be verified; kept as the data of a one-time code. */
export type Pending = Names & {
  /** PHC string of the password. */
  hash: string;
  /** Terms were agreed to. */
  terms: boolean;
  locale: string;
  /** The stamp of the form it came from, by which the same form is known again. */
  form: string;
  /** By a program, so it seems: nothing is sent and nothing comes of it. */
  refused: boolean;
};

/** What mails of signing up are counted by, beside the network that asks: the mailbox they go to. */
export function mailboxKey(address: string): ThrottleKey {
  return { scope: 'message', id: foldCase(address) };
}

/**
 * Sends a code to an address in canonical form. Where it has an account, the code is for nobody and
 * the mail says that there is one; all statements are the same (security 9).
 */
export async function sendCode(
  { codes, mailer, issuer }: Registration,
  trx: Trx,
  { uid }: Interaction,
  address: string,
  pending: Pending,
): Promise<void> {
  const user = await findUserByIdentifier(trx, address);
  const { code, token } = await issueCode(trx, codes, {
    purpose: 'sign-up',
    address,
    request: uid,
    data: pending,
    forNobody: pending.refused || user !== undefined,
  });
  const url = `${issuer}/interaction/${encodeURIComponent(uid)}/verify-email?link=${token}`;
  const { locale } = pending;
  if (user === undefined) {
    const to = pending.refused ? undefined : address;
    await mailer.queue(trx, { template: 'sign-up-code', vars: { code, url }, to, locale });
  } else {
    await mailer.queue(trx, {
      template: 'sign-up-existing',
      // Wherever the mail is read, unlike the page that waits in one browser.
      vars: { url: `${issuer}/account` },
      to: pending.refused ? undefined : (user.email ?? address),
      locale: user.locale ?? locale,
      userId: user.id,
    });
  }
}
