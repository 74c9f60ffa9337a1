import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RecoveryApp, startRecoveryApp } from '../recovery/recovery-app.ts';
import { PASSWORD } from '../support/app.ts';
import type { Message } from '../support/mailbox.ts';
import { createVisitor } from '../support/visitor.ts';

let recovery: RecoveryApp;

beforeAll(async () => {
  recovery = await startRecoveryApp({ PLACE_HEADER: 'X-Place' });
});
afterAll(() => recovery.stop());

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1';

const newDevice = (email: string) => (mail: Message) =>
  mail.recipients.includes(email) && /sign-in|Anmeldung/.test(mail.subject ?? '');

/** How many such mails there are, once whatever was queued before has arrived. */
async function countMails(email: string): Promise<number> {
  const { email: other } = await recovery.createPerson();
  await recovery.mailedLink(other);
  return recovery.mailbox.messages.filter(newDevice(email)).length;
}

describe('a sign-in on a device never seen before', () => {
  test('is told by mail, unless it is the first of all', async () => {
    const { email } = await recovery.createPerson();
    const home = createVisitor({ 'user-agent': FIREFOX });
    await recovery.signIn(email, PASSWORD, home);
    await recovery.signIn(email, PASSWORD, home);
    expect(await countMails(email)).toBe(0);

    const phone = createVisitor({ 'user-agent': SAFARI, 'x-place': 'Lisbon, Portugal' });
    await recovery.signIn(email, PASSWORD, phone);
    const mail = await recovery.mailbox.waitFor(newDevice(email));
    expect(mail.text).toContain('Safari, iOS');
    expect(mail.text).toContain('Lisbon, Portugal');
    expect(mail.text).toContain(`${recovery.app.issuer}/account/sessions`);
    await recovery.signIn(email, PASSWORD, phone);
    await recovery.signIn(email, PASSWORD, home);
    expect(await countMails(email)).toBe(1);
  });

  test.each([
    ['the person’s own', 'de', 'en', 'Neue Anmeldung'],
    ['that of their browser, as long as they have none', null, 'de-AT', 'Neue Anmeldung'],
    ['the person’s own, whatever the browser’s', 'en', 'de', 'New sign-in'],
  ])('is told in a language: %s', async (_, locale, browser, subject) => {
    const { email, user } = await recovery.createPerson();
    await recovery.app.runtime.deps.db('users').where({ id: user.id }).update({ locale });
    await recovery.signIn(email, PASSWORD);
    await recovery.signIn(email, PASSWORD, createVisitor({ 'accept-language': browser }));
    const mail = await recovery.mailbox.waitFor(newDevice(email));
    expect(mail.subject).toContain(subject);
  });

  test('of nobody with an address is told to nobody', async () => {
    const username = 'no-address';
    const user = await recovery.app.createUser({ email: undefined, username });
    await recovery.signIn(username, PASSWORD);
    const before = recovery.mailbox.messages.length;
    await recovery.signIn(username, PASSWORD);
    const { db } = recovery.app.runtime.deps;
    const events = await db('audit_events').where({
      user_id: user.id,
      type: 'sign_in.new_device',
    });
    expect(events).toHaveLength(1);
    const { email } = await recovery.createPerson();
    await recovery.mailedLink(email);
    const since = recovery.mailbox.messages.slice(before);
    expect(since.flatMap(({ recipients }) => recipients)).toEqual([email]);
  });
});
