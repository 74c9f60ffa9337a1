import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import type { Page, Visitor } from '../support/visitor.ts';
import { giveApp, phoneWith } from '../totp/totp-app.ts';
import { openAccount, type Person, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

/** Past the password of somebody new, at an app that asks for a second factor of everybody. */
async function pastPassword(
  stage: Stage,
  person: Person,
): Promise<{ visitor: Visitor; page: Page }> {
  const visitor = stage.browser();
  const { client } = await stage.createClient({ metadata: { mfa: 'required' } });
  const login = await visitor.open(authorizationUrl(stage, client.id));
  const fields = { identifier: person.email, password: PASSWORD };
  return { visitor, page: await visitor.submit(login, '/login', fields, CALLBACK) };
}

const interactionOf = ({ url }: Page) => /^.*\/interaction\/[^/]+/.exec(url)?.[0] ?? '';
const keyIn = ({ html }: Page) =>
  (/<code class="key">([^<]+)</.exec(html)?.[1] ?? '').replaceAll(' ', '');
const codesIn = ({ html }: Page) =>
  [...html.matchAll(/<li><code>([^<]+)</g)].map(([, code = '']) => code);

const atTotp: Setter = async (stage) => {
  const person = await stage.person();
  const phone = await giveApp(stage, person.user);
  const { visitor, page } = await pastPassword(stage, person);
  return { ...sceneOf(visitor, page, '/totp', { code: phone.code() }), person };
};

const atEnrolment: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor, page } = await pastPassword(stage, person);
  const shown = await visitor.open(`${interactionOf(page)}/enrol-totp`);
  const code = phoneWith(keyIn(shown)).code();
  return { ...sceneOf(visitor, shown, '/enrol-totp', { code }), person };
};

/** Sends the form; gives the page that it leads to. */
async function follow({ visitor, action, fields }: Scene): Promise<Page> {
  const { origin } = new URL(action);
  const body = new URLSearchParams(fields);
  return visitor.open(action, CALLBACK, { method: 'POST', body, headers: { origin } });
}

const atNewCodes: Setter = async (stage) => {
  const { person, ...enrolment } = await atEnrolment(stage);
  const page = await follow(enrolment);
  return { ...sceneOf(enrolment.visitor, page, '/recovery-codes'), person: person as Person };
};

const atRecoveryCode: Setter = async (stage) => {
  const { person, visitor, ...sheet } = await atNewCodes(stage);
  const shown = await visitor.open(sheet.action);
  const [code = ''] = codesIn(shown);
  await follow({ visitor, ...sheet });
  const { visitor: other, page } = await pastPassword(stage, person as Person);
  const asked = await other.open(`${interactionOf(page)}/recovery-code`);
  return { ...sceneOf(other, asked, '/recovery-code', { code }), person: person as Person };
};

const atAccountTotp: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor, page } = await openAccount(stage, person, '/account/totp');
  const code = phoneWith(keyIn(page)).code();
  return { ...sceneOf(visitor, page, '/account/totp', { code }), person };
};

const atRemoval: Setter = async (stage) => {
  const { person, ...turnOn } = await atAccountTotp(stage);
  await follow(turnOn);
  const page = await turnOn.visitor.open(turnOn.action);
  return { ...sceneOf(turnOn.visitor, page, '/totp/remove'), person: person as Person };
};

const atAccountCodes: Setter = async (stage) => {
  const { person, ...turnOn } = await atAccountTotp(stage);
  const page = await follow(turnOn);
  const scene = sceneOf(turnOn.visitor, page, '/recovery-codes/new');
  return { ...scene, person: person as Person };
};

/** Forms of authenticator apps and recovery codes. */
export const FACTOR_FORMS: Readonly<Record<string, Setter>> = {
  '/interaction/:uid/totp': atTotp,
  '/interaction/:uid/enrol-totp': atEnrolment,
  '/interaction/:uid/recovery-codes': atNewCodes,
  '/interaction/:uid/recovery-code': atRecoveryCode,
  '/account/totp': atAccountTotp,
  '/account/totp/remove': atRemoval,
  '/account/recovery-codes/new': atAccountCodes,
};
