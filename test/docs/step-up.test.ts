import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Configuration } from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signInAgo } from '../account/account.ts';
import { assignApi, createApi, verifyAccessToken } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';
import { createOwner, type Owner, walk } from '../support/second-factors.ts';
import { createVisitor, type Visitor } from '../support/visitor.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Where the guide's code can be imported from, and finds openid-client. */
const CACHE = join(REPOSITORY, 'node_modules/.cache');
const API = 'https://api.example.com/payments';
const ONE = 'urn:plinto:acr:1fa';
const TWO = 'urn:plinto:acr:2fa';

type Asked = { acr: string; maxAge?: number };
type Claims = Record<string, unknown>;
type Kept = { asked: Asked };
/** What the guide's files give. */
type Guide = {
  isEnough: (claims: Claims, asked: Asked) => boolean;
  beginStepUp: (
    config: Configuration,
    redirectUri: string,
    asked: Asked,
  ) => Promise<{ url: URL; kept: Kept }>;
  finishStepUp: (config: Configuration, url: URL, kept: Kept, sub: string) => Promise<Claims>;
  challenge: (
    claims: Claims,
    asked: Asked,
  ) => { status: number; headers: Record<string, string> } | undefined;
  askedBy: (response: Response) => Asked | undefined;
};

let folder: string;
let app: TestApp;
let party: RelyingParty;
let guide: Guide;

beforeAll(async () => {
  const text = await readFile(join(REPOSITORY, 'docs/guides/step-up.md'), 'utf8');
  await mkdir(CACHE, { recursive: true });
  folder = await mkdtemp(join(CACHE, 'guide-'));
  const load = async (name: string): Promise<Guide> => {
    const code = text.split(`\`\`\`js ${name}\n`)[1]?.split('```')[0];
    if (code === undefined) throw new Error(`the guide has no block ${name}`);
    await writeFile(join(folder, name), code);
    return import(/* @vite-ignore */ pathToFileURL(join(folder, name)).href);
  };
  guide = { ...(await load('step-up.mjs')), ...(await load('challenge.mjs')) };
  app = await startApp({ MFA: 'off' });
  party = await createRelyingParty(app);
  await createApi(app, API, ['pay']);
  await assignApi(app, party.client, API);
});

afterAll(async () => {
  await app?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Somebody with an authenticator app, signed in by their password. */
async function signedIn(): Promise<{ owner: Owner; visitor: Visitor; claims: Claims }> {
  const owner = await createOwner(app, ['totp']);
  const visitor = createVisitor();
  const tokens = await party.signIn({}, { visitor, identifier: owner.email });
  return { owner, visitor, claims: tokens.claims() ?? {} };
}

test('the code of the guide asks for what is missing, and sees that it was proven', async () => {
  const { owner, visitor, claims } = await signedIn();
  const asked = { acr: TWO, maxAge: 300 };
  expect(guide.isEnough(claims, asked)).toBe(false);
  const { url, kept } = await guide.beginStepUp(party.config, CALLBACK, asked);
  const { pages, end } = await walk(app, owner, visitor, url.href);
  expect(pages).toEqual(['totp']);
  const sub = owner.user.id;
  const told = await guide.finishStepUp(party.config, new URL(end.url), kept, sub);
  expect(told).toMatchObject({ acr: TWO, amr: ['pwd', 'otp', 'mfa'] });
  expect(guide.isEnough(told, asked)).toBe(true);
});

test('the code of the guide asks again for what was proven too long ago', async () => {
  const { owner, visitor } = await signedIn();
  await signInAgo(app, owner.user.id, 400);
  const asked = { acr: ONE, maxAge: 300 };
  const { url, kept } = await guide.beginStepUp(party.config, CALLBACK, asked);
  const { pages, end } = await walk(app, owner, visitor, url.href);
  expect(pages).toEqual(['password']);
  await guide.finishStepUp(party.config, new URL(end.url), kept, owner.user.id);
});

test('the code of the guide refuses a request that was made weaker on the way', async () => {
  const { owner, visitor } = await signedIn();
  const { url, kept } = await guide.beginStepUp(party.config, CALLBACK, { acr: TWO });
  url.searchParams.delete('acr_values');
  const { pages, end } = await walk(app, owner, visitor, url.href);
  expect(pages).toEqual([]);
  const finished = guide.finishStepUp(party.config, new URL(end.url), kept, owner.user.id);
  await expect(finished).rejects.toThrow('not enough');
});

test('the code of the guide refuses somebody else', async () => {
  const { visitor, owner } = await signedIn();
  const { url, kept } = await guide.beginStepUp(party.config, CALLBACK, { acr: TWO });
  const { end } = await walk(app, owner, visitor, url.href);
  const finished = guide.finishStepUp(party.config, new URL(end.url), kept, 'somebody');
  await expect(finished).rejects.toThrow('somebody else');
});

test('an API of the guide asks for more by the access token, and is content with the next', async () => {
  const { owner, visitor } = await signedIn();
  const asked = { acr: TWO, maxAge: 300 };
  const pay = { scope: 'openid pay', resource: API };
  const claimsFor = async (parameters: Record<string, string>) => {
    const request = await party.authorize({ ...pay, ...parameters });
    const { end } = await walk(app, owner, visitor, request.url);
    const { access_token } = await request.redeem(end.url, { resource: API });
    return (await verifyAccessToken(app.issuer, access_token, API)).payload;
  };
  const refused = guide.challenge(await claimsFor({}), asked);
  expect(refused?.status).toBe(401);
  const wanted = guide.askedBy(new Response(null, refused ?? {}));
  expect(wanted).toEqual(asked);
  const more = { acr_values: String(wanted?.acr), max_age: String(wanted?.maxAge) };
  expect(guide.challenge(await claimsFor(more), asked)).toBeUndefined();
  expect(guide.askedBy(new Response(null, { status: 401 }))).toBeUndefined();
});
