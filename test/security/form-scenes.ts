import { SYSTEM } from '../../src/audit/events.ts';
import { createPasswordHasher } from '../../src/crypto/password-hash.ts';
import { transaction } from '../../src/db/pool.ts';
import { createMailer } from '../../src/mail/mail.ts';
import { hashNewPassword, setPassword } from '../../src/password/set-password.ts';
import { inviteUser } from '../../src/registration/invite-user.ts';
import { twoHalves } from '../account/images.ts';
import { signUpForm } from '../registration/registration-app.ts';
import { PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { codeIn, linkIn } from '../support/mailbox.ts';
import type { Page, Visitor } from '../support/visitor.ts';
import { BRANDING_FORMS } from './branding-scenes.ts';
import { DOMAIN_FORMS } from './domain-scenes.ts';
import { openAccount, type Person, type Scene, type Stage, sceneOf, send } from './every-form.ts';
import { FACTOR_FORMS } from './factor-scenes.ts';
import { INVITATION_FORMS } from './invitation-scenes.ts';
import { LOST_FACTOR_FORMS } from './lost-factor-scenes.ts';
import { MEMBER_FORMS } from './member-scenes.ts';
import { MESSAGE_CODE_FORMS } from './message-code-scenes.ts';
import { ORGANIZATION_ROLE_FORMS } from './organization-role-scenes.ts';
import { ORGANIZATION_FORMS } from './organization-scenes.ts';
import { ORGANIZATION_SIGN_IN_FORMS } from './organization-sign-in-scenes.ts';
import { PASSKEY_FORMS } from './passkey-scenes.ts';

/** A password that meets the rules and is nobody's. */
export const NEXT_PASSWORD = 'copper-lantern-drifts-77';
const TEMPORARY = 'walnut-harbor-thimble-77';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;
const newAddress = () => {
  count += 1;
  return `new${count}@example.com`;
};
const newNumber = () => {
  count += 1;
  return `+4479461${String(count).padStart(5, '0')}`;
};

/** A sign-in that has just begun. */
export async function beginSignIn(
  stage: Stage,
  params: Record<string, string> = {},
  visitor = stage.browser(),
): Promise<{ visitor: Visitor; page: Page }> {
  const page = await visitor.open(authorizationUrl(stage, stage.clientId, params));
  return { visitor, page };
}

/** The same form with another address, as a button of the page has it. */
function to(scene: Scene, page: string): Scene {
  return { ...scene, action: scene.action.replace(/[^/]+$/, page) };
}

const atLogin: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor, page } = await beginSignIn(stage);
  const typed = { identifier: person.email, password: PASSWORD };
  return { ...sceneOf(visitor, page, '/login', typed), person };
};

/** Somebody signed in who is asked for their password once more. */
const atPassword: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor } = await openAccount(stage, person, '/account');
  const { page } = await beginSignIn(stage, { prompt: 'login' }, visitor);
  return { ...sceneOf(visitor, page, '/password', { password: PASSWORD }), person };
};

const atNewPassword: Setter = async (stage) => {
  const { person, ...login } = await atLogin(stage);
  const hash = await hashNewPassword(createPasswordHasher(stage.config.passwordHashing), TEMPORARY);
  await transaction(stage.runtime.deps.db, (trx) =>
    setPassword(trx, SYSTEM, (person as Person).user, hash, { mustChange: true }),
  );
  await send({ ...login, fields: { ...login.fields, password: TEMPORARY } });
  const page = await login.visitor.open(login.action.replace(/\/login$/, ''));
  const typed = { new_password: NEXT_PASSWORD };
  return { ...sceneOf(login.visitor, page, '/new-password', typed), person: person as Person };
};

const atRegister: Setter = async (stage) => {
  const { visitor, page } = await beginSignIn(stage);
  const register = await visitor.open(`${page.url}/register`);
  return sceneOf(visitor, register, '/register', signUpForm(newAddress()));
};

const atVerifyEmail: Setter = async (stage) => {
  const register = await atRegister(stage);
  await send(register);
  const code = codeIn(await stage.mailbox.waitFor(String(register.fields.email)));
  const page = await register.visitor.open(register.action.replace(/register$/, 'verify-email'));
  return sceneOf(register.visitor, page, '/verify-email', { code });
};

const atCode: Setter = async (stage) => {
  const login = await atLogin(stage);
  const person = login.person as Person;
  await send(to(login, 'email-code'));
  const code = codeIn(await stage.mailbox.waitFor(person.email));
  const page = await login.visitor.open(login.action.replace(/login$/, 'code'));
  return { ...sceneOf(login.visitor, page, '/code', { code }), person };
};

const atConsent: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor } = await openAccount(stage, person, '/account');
  const page = await visitor.open(authorizationUrl(stage, stage.foreignId));
  return { ...sceneOf(visitor, page, '/consent'), person };
};

const atInvitation: Setter = async (stage) => {
  const { deps, keyring } = stage.runtime;
  const parts = {
    codes: { keys: keyring.codes, randomBytes: deps.randomBytes },
    mailer: createMailer({ enabled: true, boxKeys: keyring.box }),
    issuer: stage.issuer,
    signUp: stage.config.signUp,
  };
  const email = newAddress();
  const invited = await transaction(deps.db, (trx) => inviteUser(trx, parts, SYSTEM, { email }));
  if (!invited.ok) throw new Error(invited.reason);
  const visitor = stage.browser();
  const page = await visitor.open(invited.url);
  const typed = { new_password: NEXT_PASSWORD, given_name: 'Grace', family_name: 'Hopper' };
  const scene = sceneOf(visitor, page, new URL(invited.url).pathname, typed);
  return { ...scene, person: { user: invited.user, email } };
};

const atReset: Setter = async (stage) => {
  const asking = await FORMS['/interaction/:uid/reset-password']?.(stage);
  const { visitor, person } = asking as Scene & { person: Person };
  await send(asking as Scene);
  const link = linkIn(await stage.mailbox.waitFor(person.email));
  const typed = { new_password: NEXT_PASSWORD };
  const page = await visitor.open(link);
  return { ...sceneOf(visitor, page, new URL(link).pathname, typed), person };
};

/** A form on a page of somebody's account. */
const inAccount =
  (path: string, suffix: string, typed: Record<string, string> = {}): Setter =>
  async (stage) => {
    const person = await stage.person();
    const { visitor, page } = await openAccount(stage, person, path);
    return { ...sceneOf(visitor, page, suffix, typed), person };
  };

const atPicture: Setter = async (stage) => ({
  ...(await inAccount('/account/picture', '/picture')(stage)),
  files: { picture: await twoHalves(30, 20).png() },
});

const atPictureRemoval: Setter = async (stage) => {
  const upload = await atPicture(stage);
  await send(upload);
  const page = await upload.visitor.open(upload.action);
  return { ...sceneOf(upload.visitor, page, '/remove'), person: upload.person as Person };
};

async function sendCode(stage: Stage, kind: 'email' | 'phone') {
  const address = kind === 'email' ? newAddress() : newNumber();
  const asked = await inAccount(`/account/${kind}`, `/${kind}`, { [kind]: address })(stage);
  await send(asked);
  const page = await asked.visitor.open(`${asked.action}/code`);
  return { address, page, visitor: asked.visitor, person: asked.person as Person };
}

const atContactCode =
  (kind: 'email' | 'phone'): Setter =>
  async (stage) => {
    const { address, page, visitor, person } = await sendCode(stage, kind);
    const code =
      kind === 'email'
        ? codeIn(await stage.mailbox.waitFor(address))
        : await stage.textedCode(address);
    return { ...sceneOf(visitor, page, '/code', { code }), person };
  };

const atContactResend =
  (kind: 'email' | 'phone'): Setter =>
  async (stage) => {
    const { page, visitor, person } = await sendCode(stage, kind);
    return { ...sceneOf(visitor, page, '/resend'), person };
  };

const atPhoneRemoval: Setter = async (stage) => {
  const { phone_number, ...opened } = { ...(await stage.person()), phone_number: newNumber() };
  const { db } = stage.runtime.deps;
  await db('users').where({ id: opened.user.id }).update({ phone_number });
  const { visitor, page } = await openAccount(stage, opened, '/account/phone');
  return { ...sceneOf(visitor, page, '/remove'), person: opened };
};

const atApps: Setter = async (stage) => {
  const consent = await atConsent(stage);
  const { location } = await send(consent);
  await consent.visitor.open(new URL(location, stage.issuer).href, 'http://127.0.0.1:9');
  const page = await consent.visitor.open(`${stage.issuer}/account/apps`);
  return { ...sceneOf(consent.visitor, page, '/apps'), person: consent.person as Person };
};

const atSessions: Setter = async (stage) => {
  const person = await stage.person();
  await openAccount(stage, person, '/account');
  const { visitor, page } = await openAccount(stage, person, '/account/sessions');
  return { ...sceneOf(visitor, page, '/sessions', { session: 'others' }), person };
};

const atDeletion: Setter = async (stage) => {
  const scene = await inAccount('/account/delete', '/delete')(stage);
  const confirmation = (scene.person as Person).email;
  return { ...scene, fields: { ...scene.fields, confirmation } };
};

/** Every form there is, by the path of its route. */
export const FORMS: Readonly<Record<string, Setter>> = {
  '/interaction/:uid/login': atLogin,
  '/interaction/:uid/password': atPassword,
  '/interaction/:uid/new-password': atNewPassword,
  '/interaction/:uid/switch': async (stage) => to(await atPassword(stage), 'switch'),
  '/interaction/:uid/register': atRegister,
  '/interaction/:uid/verify-email': atVerifyEmail,
  '/interaction/:uid/resend-sign-up': async (stage) => {
    const verify = await atVerifyEmail(stage);
    const page = await verify.visitor.open(verify.action);
    return sceneOf(verify.visitor, page, '/resend-sign-up');
  },
  '/interaction/:uid/reset-password': async (stage) => to(await atLogin(stage), 'reset-password'),
  '/interaction/:uid/email-code': async (stage) => to(await atLogin(stage), 'email-code'),
  '/interaction/:uid/code': atCode,
  '/interaction/:uid/consent': atConsent,
  '/interaction/:uid/abort': async (stage) => to(await atLogin(stage), 'abort'),
  '/invitation/:token': atInvitation,
  '/reset-password/:token': atReset,
  '/account': inAccount('/account', '/account', { nickname: 'Addie' }),
  '/account/sign-out': inAccount('/account', '/sign-out'),
  '/account/picture': atPicture,
  '/account/picture/remove': atPictureRemoval,
  '/account/email': async (stage) =>
    inAccount('/account/email', '/email', { email: newAddress() })(stage),
  '/account/email/code': atContactCode('email'),
  '/account/email/resend': atContactResend('email'),
  '/account/phone': async (stage) =>
    inAccount('/account/phone', '/phone', { phone: newNumber() })(stage),
  '/account/phone/code': atContactCode('phone'),
  '/account/phone/resend': atContactResend('phone'),
  '/account/phone/remove': atPhoneRemoval,
  '/account/password/change': inAccount('/account/password/change', '/change', {
    new_password: NEXT_PASSWORD,
  }),
  '/account/sessions': atSessions,
  '/account/apps': atApps,
  '/account/data': inAccount('/account/data', '/data'),
  '/account/delete': atDeletion,
  ...FACTOR_FORMS,
  ...PASSKEY_FORMS,
  ...ORGANIZATION_SIGN_IN_FORMS,
  ...ORGANIZATION_FORMS,
  ...LOST_FACTOR_FORMS,
  ...MESSAGE_CODE_FORMS,
  ...MEMBER_FORMS,
  ...BRANDING_FORMS,
  ...DOMAIN_FORMS,
  ...ORGANIZATION_ROLE_FORMS,
  ...INVITATION_FORMS,
};

/** What changes nothing that is anybody's, and what comes before anybody is there (test/setup). */
export const OTHER_FORMS = ['/password-strength', '/setup/:token'];
