import { v7 as uuid } from 'uuid';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { codeIn } from '../support/mailbox.ts';
import { openAccount, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

/** Settings with which there are these forms. */
export const MESSAGE_CODES = { MFA_FACTORS: 'passkey,totp,sms,email', MFA_REMEMBER_DAYS: '30' };

let count = 0;

/** Past the password, before a code by message is sent. */
const atSending =
  (channel: 'sms' | 'email', name: string): Setter =>
  async (stage) => {
    count += 1;
    const person = await stage.person();
    const { db } = stage.runtime.deps;
    const phone_number = `+4479469${String(count).padStart(5, '0')}`;
    const user_id = person.user.id;
    await db('users')
      .where({ id: user_id })
      .update({ phone_number, phone_number_verified_at: db.fn.now() });
    await db('message_factors').insert({ user_id, channel });
    const visitor = stage.browser();
    const login = await visitor.open(authorizationUrl(stage, stage.clientId));
    const fields = { identifier: person.email, password: PASSWORD };
    const page = await visitor.submit(login, '/login', fields, CALLBACK);
    return { ...sceneOf(visitor, page, `/send-${name}`), person };
  };

/** Where the code is typed that was sent. */
const atCode =
  (channel: 'sms' | 'email', name: string): Setter =>
  async (stage) => {
    const { visitor, action, fields, person } = await atSending(channel, name)(stage);
    if (person === undefined) throw new Error('nobody is there');
    const { mailbox, runtime } = stage;
    const before = mailbox.messages.length;
    const { origin } = new URL(action);
    const page = await visitor.open(action, CALLBACK, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { origin },
    });
    const { phone_number } = await runtime.deps.db('users').where({ id: person.user.id }).first();
    const code =
      channel === 'sms'
        ? await stage.textedCode(phone_number)
        : codeIn(await mailbox.waitFor(person.email, { after: before }));
    return { ...sceneOf(visitor, page, `/${name}`, { code }), person };
  };

const atDevices: Setter = async (stage) => {
  const person = await stage.person();
  const { db } = stage.runtime.deps;
  const id = uuid();
  await db('trusted_devices').insert({
    id,
    user_id: person.user.id,
    token_hash: Buffer.from(id),
    expires_at: db.raw("now() + interval '1 day'"),
  });
  const { visitor, page } = await openAccount(stage, person, '/account/devices');
  return { ...sceneOf(visitor, page, '/account/devices', { device: id }), person };
};

const atChannels: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor, page } = await openAccount(stage, person, '/account/message-codes');
  return { ...sceneOf(visitor, page, '/account/message-codes'), person };
};

/** Forms of codes by message and of remembered browsers. */
export const MESSAGE_CODE_FORMS: Readonly<Record<string, Setter>> = {
  '/interaction/:uid/send-sms-code': atSending('sms', 'sms-code'),
  '/interaction/:uid/send-mail-code': atSending('email', 'mail-code'),
  '/interaction/:uid/sms-code': atCode('sms', 'sms-code'),
  '/interaction/:uid/mail-code': atCode('email', 'mail-code'),
  '/account/devices': atDevices,
  '/account/message-codes': atChannels,
};
