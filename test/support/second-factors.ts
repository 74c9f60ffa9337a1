import { randomBytes } from 'node:crypto';
import { decodeAttestationObject, parseAuthenticatorData } from '@simplewebauthn/server/helpers';
import { generateSync } from 'otplib';
import { v7 as uuid } from 'uuid';
import { transaction } from '../../src/db/pool.ts';
import { userHandle } from '../../src/passkeys/relying-party.ts';
import { insertPasskey } from '../../src/passkeys/store.ts';
import { createKey } from '../../src/totp/match-code.ts';
import { insertCredential } from '../../src/totp/store.ts';
import { sealSecret } from '../../src/totp/totp.ts';
import type { User } from '../../src/users/store.ts';
import { CALLBACK, PASSWORD, type TestApp } from './app.ts';
import { type Authenticator, createAuthenticator, optionsIn } from './authenticator.ts';
import { type Page, pageName, type Visitor } from './visitor.ts';

/** Somebody, and what they have to prove it. */
export type Owner = {
  user: User;
  email: string;
  password: string;
  /** The secret of their authenticator app, once they have one. */
  secret: string | undefined;
  authenticator: Authenticator;
};

export type Having = 'totp' | 'passkey';

let people = 0;

/** A person who turned these on a minute ago. */
export async function createOwner(
  app: TestApp,
  having: readonly Having[] = [],
  input: Parameters<TestApp['createUser']>[0] = {},
): Promise<Owner> {
  people += 1;
  const email = `owner${people}@example.com`;
  const user = await app.createUser({ email, ...input });
  const { password = PASSWORD } = input;
  const authenticator = createAuthenticator(new URL(app.issuer).origin);
  const owner: Owner = { user, email, password, secret: undefined, authenticator };
  if (having.includes('totp')) await giveTotp(app, owner);
  if (having.includes('passkey')) await givePasskey(app, owner);
  return owner;
}

/** Gives somebody an authenticator app, as of a minute ago. */
export async function giveTotp(app: TestApp, owner: Owner): Promise<void> {
  const { deps, keyring } = app.runtime;
  const userId = owner.user.id;
  const secret = createKey(randomBytes);
  const sealed = sealSecret({ boxKeys: keyring.box }, userId, secret);
  await transaction(deps.db, async (trx) => {
    const used = { step: 0, request: randomBytes(32) };
    await insertCredential(trx, { userId, secret: sealed, ...used });
    await agePastSignIn(app, trx, 'totp_credentials', userId);
  });
  owner.secret = secret;
}

/** Gives somebody a passkey, as of a minute ago. */
export async function givePasskey(app: TestApp, { user, authenticator }: Owner): Promise<void> {
  const { response, id } = authenticator.create({
    challenge: 'AAAA',
    rp: { id: app.config.passkeys.rpId },
    user: { id: userHandle(user.id) },
  });
  const object = Buffer.from(String(response.attestationObject), 'base64url');
  const { credentialPublicKey } = parseAuthenticatorData(
    decodeAttestationObject(new Uint8Array(object)).get('authData'),
  );
  await transaction(app.runtime.deps.db, async (trx) => {
    await insertPasskey(trx, {
      id: uuid(),
      user_id: user.id,
      credential_id: id,
      public_key: Buffer.from(credentialPublicKey ?? []),
      sign_count: 0,
      transports: ['internal'],
      aaguid: '00000000-0000-0000-0000-000000000000',
      backup_eligible: false,
      backed_up: false,
      name: 'Test',
    });
    await agePastSignIn(app, trx, 'passkeys', user.id);
  });
}

/** Moments of signing in are told in whole seconds: what was turned on in the same one counts as later. */
async function agePastSignIn(
  { runtime }: TestApp,
  trx: Parameters<Parameters<typeof transaction>[1]>[0],
  table: string,
  userId: string,
): Promise<void> {
  const created_at = runtime.deps.db.raw("now() - interval '1 minute'");
  await trx(table).where({ user_id: userId }).update({ created_at });
}

/** The code that somebody's app shows now. */
export function codeNow({ secret = '' }: Pick<Owner, 'secret'>): string {
  return generateSync({ secret });
}

/** The same, where none of their codes was used before. */
export async function unusedCode(app: TestApp, owner: Owner): Promise<string> {
  await app.runtime.deps
    .db('totp_credentials')
    .where({ user_id: owner.user.id })
    .update({ last_step: 0 });
  return codeNow(owner);
}

export type Walk = {
  /** Names of the pages that were answered, in order. */
  pages: string[];
  /** Where it ended: at the app, or at a page that this person doesn't get past. */
  end: Page;
};

export type Manner = {
  /** Names of pages at which to stop. */
  until?: readonly string[];
  /** Signs in by passkey wherever the page takes one. */
  byPasskey?: boolean;
  /** Wants the browser to be remembered. */
  remember?: boolean;
};

/** Goes through a sign-in from the page it is at, giving what each page asks for. */
export async function walkOn(
  app: TestApp,
  owner: Owner,
  visitor: Visitor,
  start: Page,
  manner: Manner = {},
): Promise<Walk> {
  const pages: string[] = [];
  let page = start;
  while (!page.url.startsWith(CALLBACK) && pages.length < 12) {
    const name = pageName(page) ?? '';
    if (manner.until?.includes(name)) break;
    const next = await answerPage(app, owner, visitor, page, manner);
    if (next === undefined) break;
    pages.push(name);
    page = next;
  }
  return { pages, end: page };
}

/** Opens an authorization request and goes through it. */
export async function walk(
  app: TestApp,
  owner: Owner,
  visitor: Visitor,
  url: string,
  manner: Manner = {},
): Promise<Walk> {
  return walkOn(app, owner, visitor, await visitor.open(url, CALLBACK), manner);
}

async function answerPage(
  app: TestApp,
  owner: Owner,
  visitor: Visitor,
  page: Page,
  { byPasskey = false, remember = false }: Manner,
): Promise<Page | undefined> {
  const { email, password, secret, authenticator } = owner;
  const kept: Record<string, string> = remember ? { remember: 'yes' } : {};
  const send = (form: string, fields: Record<string, string> = {}) =>
    visitor.submit(page, form, fields, CALLBACK);
  const usePasskey = () => {
    const options = optionsIn(page);
    if (options === undefined) throw new Error(`no passkey is asked for on ${page.url}`);
    return send('/passkey', { credential: JSON.stringify(authenticator.get(options)), ...kept });
  };
  switch (pageName(page)) {
    case 'login':
      return byPasskey ? usePasskey() : send('/login', { identifier: email, password });
    case 'password':
      return byPasskey ? usePasskey() : send('/password', { password });
    case 'passkey':
      return usePasskey();
    case 'totp':
      if (secret === undefined) return undefined;
      return send('/totp', { code: await unusedCode(app, owner), ...kept });
    case 'enrol-mfa':
      return visitor.open(`${baseOf(page)}/enrol-totp`);
    case 'enrol-totp':
      owner.secret = keyOn(page);
      return send('/enrol-totp', { code: codeNow(owner) });
    case 'enrol-passkey': {
      const options = optionsIn(page);
      if (options === undefined) throw new Error(`no passkey is asked for on ${page.url}`);
      return send('/enrol-passkey', { credential: JSON.stringify(authenticator.create(options)) });
    }
    case 'recovery-codes':
      return send('/recovery-codes');
    default:
      return undefined;
  }
}

/** The secret that a page shows, to be put into an app. */
export function keyOn(page: Page): string {
  const key = /<code class="key">([^<]+)</.exec(page.html)?.[1];
  if (key === undefined) throw new Error(`no key on ${page.url}`);
  return key.replaceAll(' ', '');
}

/** The address of the sign-in that a page belongs to. */
export function baseOf({ url }: Pick<Page, 'url'>): string {
  return /^.*\/interaction\/[^/?]+/.exec(url)?.[0] ?? url;
}
