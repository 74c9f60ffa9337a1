import { CALLBACK, PASSWORD } from '../support/app.ts';
import { type Authenticator, createAuthenticator, optionsIn } from '../support/authenticator.ts';
import { authorizationUrl } from '../support/authorization.ts';
import type { Page } from '../support/visitor.ts';
import { openAccount, type Scene, type Stage, sceneOf } from './every-form.ts';

function optionsOf(page: Page) {
  const options = optionsIn(page);
  if (options === undefined) throw new Error(`no passkey is asked for on ${page.url}`);
  return options;
}

const newAuthenticator = (stage: Stage): Authenticator =>
  createAuthenticator(new URL(stage.issuer).origin);

/** What a form sends of a passkey that was just made for its page. */
function made(authenticator: Authenticator, page: Page): Record<string, string> {
  return { credential: JSON.stringify(authenticator.create(optionsOf(page))) };
}

/** Somebody at the page of their passkeys; without one yet. */
async function atAdding(stage: Stage) {
  const person = await stage.person();
  const { visitor, page } = await openAccount(stage, person, '/account/passkeys');
  const authenticator = newAuthenticator(stage);
  const typed = made(authenticator, page);
  return { person, visitor, page, authenticator, typed };
}

/** The same with one. */
async function atList(stage: Stage) {
  const { page, typed, ...rest } = await atAdding(stage);
  return { ...rest, page: await rest.visitor.submit(page, '/passkeys/add', typed) };
}

/** A sign-in of somebody new, of whom no more is proven than the password. */
async function afterPassword(stage: Stage, params: Record<string, string>) {
  const person = await stage.person();
  const visitor = stage.browser();
  const login = await visitor.open(authorizationUrl(stage, stage.clientId, params));
  const fields = { identifier: person.email, password: PASSWORD, passkeys: 'yes' };
  return { person, visitor, page: await visitor.submit(login, '/login', fields, CALLBACK) };
}

async function atMaking(stage: Stage, suffix: string, params: Record<string, string> = {}) {
  const { person, visitor, page } = await afterPassword(stage, params);
  const scene = sceneOf(visitor, page, suffix, made(newAuthenticator(stage), page));
  return { ...scene, person };
}

/** The forms of passkeys, by the path of their routes. */
export const PASSKEY_FORMS: Readonly<Record<string, (stage: Stage) => Promise<Scene>>> = {
  '/interaction/:uid/passkey': async (stage) => {
    const { person, authenticator } = await atList(stage);
    const visitor = stage.browser();
    const page = await visitor.open(authorizationUrl(stage, stage.clientId));
    const credential = JSON.stringify(authenticator.get(optionsOf(page)));
    return { ...sceneOf(visitor, page, '/passkey', { credential }), person };
  },
  '/interaction/:uid/enrol-passkey': (stage) =>
    atMaking(stage, '/enrol-passkey', { acr_values: 'phr' }),
  '/interaction/:uid/passkey-offer': (stage) => atMaking(stage, '/passkey-offer'),
  '/interaction/:uid/skip-passkey': async (stage) => {
    const { person, visitor, page } = await afterPassword(stage, {});
    return { ...sceneOf(visitor, page, '/skip-passkey'), person };
  },
  '/account/passkeys/add': async (stage) => {
    const { person, visitor, page, typed } = await atAdding(stage);
    return { ...sceneOf(visitor, page, '/passkeys/add', typed), person };
  },
  '/account/passkeys/rename': async (stage) => {
    const { person, visitor, page } = await atList(stage);
    return { ...sceneOf(visitor, page, '/passkeys/rename', { name: 'Work laptop' }), person };
  },
  '/account/passkeys/remove': async (stage) => {
    const { person, visitor, page } = await atList(stage);
    return { ...sceneOf(visitor, page, '/passkeys/remove'), person };
  },
};
