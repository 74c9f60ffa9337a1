import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signInAgo } from '../account/account.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  type AuthorizationRequest,
  createRelyingParty,
  errorOf,
  type Parameters,
  prepareRequest,
  type RelyingParty,
  redeemer,
} from '../support/relying-party.ts';
import {
  createOwner,
  givePasskey,
  type Having,
  type Manner,
  type Owner,
  unusedCode,
  walk,
  walkOn,
} from '../support/second-factors.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const ONE = 'urn:plinto:acr:1fa';
const TWO = 'urn:plinto:acr:2fa';
/** Seconds ago that sessions were begun, where there is one. */
const AGE = 1000;

let app: TestApp;
/** Apps under the installation's policy (a second factor of who has one), and of none. */
let party: RelyingParty;
let lenient: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  party = await createRelyingParty(app);
  lenient = await createRelyingParty(app, { metadata: { mfa: 'off' } });
});
afterAll(() => app.stop());

type Session = 'none' | '1fa' | '2fa' | 'phr';

/** A browser in which somebody signed in a while ago, as sure as that. */
async function browserWith(session: Session, owner: Owner): Promise<Visitor> {
  const visitor = createVisitor();
  if (session === 'none') return visitor;
  const asked = { '1fa': ONE, '2fa': TWO, phr: 'phr' }[session];
  const { url } = await lenient.authorize({ acr_values: asked });
  const { end } = await walk(app, owner, visitor, url, { byPasskey: session === 'phr' });
  expect(end.url).toContain('code=');
  await signInAgo(app, owner.user.id, AGE);
  return visitor;
}

const errorIn = ({ url }: Page) => new URL(url).searchParams.get('error');

type Claims = { acr?: string; amr?: string[]; auth_time?: number };

async function claimsOf(request: AuthorizationRequest, { url }: Page): Promise<Claims> {
  return ((await request.redeem(url)).claims() ?? {}) as Claims;
}

/** How a request goes: pages that are answered, then the error, or what the ID token says. */
async function outcomeOf(
  session: Session,
  having: readonly Having[],
  parameters: Parameters,
  { at = party, ...manner }: Manner & { at?: RelyingParty } = {},
) {
  const owner = await createOwner(app, having);
  const visitor = await browserWith(session, owner);
  const request = await at.authorize(parameters);
  const { pages, end } = await walk(app, owner, visitor, request.url, manner);
  const way = pages.join(' ');
  const error = errorIn(end);
  if (error !== null) return { way, error };
  const { acr, amr, auth_time = 0 } = await claimsOf(request, end);
  const age = Date.now() / 1000 - auth_time;
  return { way, acr, amr: amr?.join(' '), proven: age > AGE / 2 ? 'then' : 'now' };
}

const essential = (...values: string[]) => ({
  claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }),
});

const two = { acr_values: TWO };
const phr = { acr_values: 'phr' };
const phrOrTwo = { acr_values: `phr ${TWO}` };
const old = { max_age: String(AGE / 2) };
const young = { max_age: String(AGE * 2) };
const again = { prompt: 'login' };

type Told = { way: string; acr: string; amr: string; proven: 'then' | 'now' };
const told = (way: string, acr: string, amr: string, proven: 'then' | 'now' = 'now'): Told => ({
  way,
  acr,
  amr,
  proven,
});

type Row = [Session, string, Parameters, Told];

const app1 = 'login totp';

describe('somebody without factors', () => {
  const enrols = 'enrol-mfa enrol-totp recovery-codes';
  const rows: Row[] = [
    ['none', 'nothing', {}, told('login', ONE, 'pwd')],
    ['none', 'one factor', { acr_values: ONE }, told('login', ONE, 'pwd')],
    ['none', 'two factors', two, told(`login ${enrols}`, TWO, 'pwd otp mfa')],
    ['none', 'two, essentially', essential(TWO), told(`login ${enrols}`, TWO, 'pwd otp mfa')],
    [
      'none',
      'a passkey',
      phr,
      told('login enrol-passkey recovery-codes', 'phr', 'pwd hwk user mfa'),
    ],
    ['none', 'a passkey or two', phrOrTwo, told(`login ${enrols}`, TWO, 'pwd otp mfa')],
    ['1fa', 'nothing', {}, told('', ONE, 'pwd', 'then')],
    ['1fa', 'a sign-in not that old', young, told('', ONE, 'pwd', 'then')],
    ['1fa', 'a newer sign-in', old, told('password', ONE, 'pwd')],
    ['1fa', 'another sign-in', again, told('password', ONE, 'pwd')],
    ['1fa', 'two factors', two, told(`password ${enrols}`, TWO, 'pwd otp mfa')],
    ['1fa', 'two, essentially', essential(TWO), told(`password ${enrols}`, TWO, 'pwd otp mfa')],
    [
      '1fa',
      'another with two',
      { ...two, ...again },
      told(`password ${enrols}`, TWO, 'pwd otp mfa'),
    ],
    ['1fa', 'a newer with two', { ...two, ...old }, told(`password ${enrols}`, TWO, 'pwd otp mfa')],
    [
      '1fa',
      'a passkey',
      phr,
      told('password enrol-passkey recovery-codes', 'phr', 'pwd hwk user mfa'),
    ],
  ];
  test.each(rows)(
    'with a session of %s, asked for %s',
    async (session, _, parameters, expected) => {
      expect(await outcomeOf(session, [], parameters)).toEqual(expected);
    },
  );
});

describe('somebody with an authenticator app', () => {
  const both = 'pwd otp mfa';
  const rows: Row[] = [
    ['none', 'nothing', {}, told(app1, TWO, both)],
    ['none', 'two factors', two, told(app1, TWO, both)],
    ['none', 'one factor', { acr_values: ONE }, told(app1, ONE, both)],
    ['none', 'a passkey or two', phrOrTwo, told(app1, TWO, both)],
    ['none', 'two, essentially', essential(TWO), told(app1, TWO, both)],
    ['1fa', 'nothing', {}, told('totp', TWO, both, 'then')],
    ['1fa', 'two factors', two, told('totp', TWO, both, 'then')],
    ['1fa', 'two, essentially', essential('phr', TWO), told('totp', TWO, both, 'then')],
    [
      '1fa',
      'two, in a sign-in not that old',
      { ...two, ...young },
      told('totp', TWO, both, 'then'),
    ],
    ['1fa', 'two, in a newer sign-in', { ...two, ...old }, told('password totp', TWO, both)],
    ['1fa', 'another sign-in', again, told('password totp', TWO, both)],
    ['1fa', 'another with two', { ...two, ...again }, told('password totp', TWO, both)],
    ['2fa', 'nothing', {}, told('', TWO, both, 'then')],
    ['2fa', 'one factor', { acr_values: ONE }, told('', ONE, both, 'then')],
    ['2fa', 'two factors', two, told('', TWO, both, 'then')],
    ['2fa', 'a passkey or two', phrOrTwo, told('', TWO, both, 'then')],
    ['2fa', 'two, essentially', essential(TWO), told('', TWO, both, 'then')],
    ['2fa', 'two, in a sign-in not that old', { ...two, ...young }, told('', TWO, both, 'then')],
    ['2fa', 'a newer sign-in', old, told('password totp', TWO, both)],
    ['2fa', 'another sign-in', again, told('password totp', TWO, both)],
    ['2fa', 'another with two', { ...two, ...again }, told('password totp', TWO, both)],
  ];
  test.each(rows)(
    'with a session of %s, asked for %s',
    async (session, _, parameters, expected) => {
      expect(await outcomeOf(session, ['totp'], parameters)).toEqual(expected);
    },
  );

  test('has a passkey demanded of them once the app is proven, to turn one on', async () => {
    const expected = told('login totp enrol-passkey recovery-codes', 'phr', 'pwd hwk user otp mfa');
    expect(await outcomeOf('none', ['totp'], phr)).toEqual(expected);
  });

  test.each<Row>([
    ['1fa', 'nothing', {}, told('', ONE, 'pwd', 'then')],
    ['2fa', 'another sign-in', again, told('password', ONE, 'pwd')],
    ['2fa', 'a newer sign-in', old, told('password', ONE, 'pwd')],
    ['2fa', 'another with two', { ...two, ...again }, told('password totp', TWO, both)],
    ['1fa', 'two factors', two, told('totp', TWO, both, 'then')],
  ])(
    'with a session of %s, asked for %s by an app without a policy',
    async (session, _, parameters, expected) => {
      expect(await outcomeOf(session, ['totp'], parameters, { at: lenient })).toEqual(expected);
    },
  );
});

describe('somebody with a passkey', () => {
  const key = 'hwk user mfa';
  const rows: Row[] = [
    ['none', 'nothing', {}, told('login passkey', 'phr', `pwd ${key}`)],
    ['none', 'a passkey', phr, told('login passkey', 'phr', `pwd ${key}`)],
    ['1fa', 'two factors', two, told('passkey', TWO, `pwd ${key}`)],
    ['1fa', 'a passkey', phr, told('passkey', 'phr', `pwd ${key}`)],
    ['1fa', 'a passkey, essentially', essential('phr'), told('passkey', 'phr', `pwd ${key}`)],
    ['1fa', 'a passkey or two', phrOrTwo, told('passkey', 'phr', `pwd ${key}`)],
    ['phr', 'nothing', {}, told('', 'phr', key, 'then')],
    ['phr', 'two factors', two, told('', TWO, key, 'then')],
    ['phr', 'a passkey or two', phrOrTwo, told('', 'phr', key, 'then')],
    ['phr', 'a passkey, essentially', essential('phr'), told('', 'phr', key, 'then')],
    ['phr', 'another sign-in', again, told('password passkey', 'phr', `pwd ${key}`)],
    ['phr', 'a newer one', old, told('password passkey', 'phr', `pwd ${key}`)],
  ];
  test.each(rows)(
    'with a session of %s, asked for %s',
    async (session, _, parameters, expected) => {
      expect(await outcomeOf(session, ['passkey'], parameters)).toEqual(expected);
    },
  );

  test.each<Row>([
    ['none', 'nothing', {}, told('login', 'phr', key)],
    ['none', 'a passkey', phr, told('login', 'phr', key)],
    ['phr', 'another sign-in with one', { ...phr, ...again }, told('password', 'phr', key)],
    ['phr', 'a newer one with two', { ...two, ...old }, told('password', TWO, key)],
  ])(
    'with a session of %s, asked for %s, needs no password',
    async (session, _, parameters, expected) => {
      const outcome = await outcomeOf(session, ['passkey'], parameters, { byPasskey: true });
      expect(outcome).toEqual(expected);
    },
  );

  test('who has an app too is asked for the passkey alone, where only that will do', async () => {
    const owner = await createOwner(app, ['totp']);
    const visitor = await browserWith('2fa', owner);
    await givePasskey(app, owner);
    const request = await party.authorize(phr);
    const { pages, end } = await walk(app, owner, visitor, request.url);
    expect(pages).toEqual(['passkey']);
    expect(await claimsOf(request, end)).toMatchObject({ acr: 'phr' });
  });
});

describe('prompt=none', () => {
  const silent = (more: Parameters = {}) => ({ prompt: 'none', ...more });
  const fails = (error: string) => ({ way: '', error });
  type SilentRow = [Session, string, Having[], Parameters, object];
  const rows: SilentRow[] = [
    ['none', 'anything', ['totp'], {}, fails('login_required')],
    ['none', 'two factors', [], two, fails('login_required')],
    ['1fa', 'nothing', [], {}, told('', ONE, 'pwd', 'then')],
    ['1fa', 'policy', ['totp'], {}, fails('login_required')],
    ['1fa', 'two factors', ['totp'], two, fails('login_required')],
    ['1fa', 'two factors', [], two, fails('interaction_required')],
    ['1fa', 'two, essentially', [], essential(TWO), fails('interaction_required')],
    ['1fa', 'a passkey', ['totp'], phr, fails('interaction_required')],
    ['1fa', 'a passkey', ['passkey'], phr, fails('login_required')],
    [
      '1fa',
      'phrh',
      ['passkey'],
      { acr_values: 'phrh' },
      fails('unmet_authentication_requirements'),
    ],
    ['2fa', 'two factors', ['totp'], two, told('', TWO, 'pwd otp mfa', 'then')],
    ['2fa', 'a newer sign-in', ['totp'], { ...two, ...old }, fails('login_required')],
    ['phr', 'a passkey', ['passkey'], phr, told('', 'phr', 'hwk user mfa', 'then')],
    ['phr', 'phrh', ['passkey'], essential('phrh'), fails('unmet_authentication_requirements')],
  ];
  test.each(rows)(
    'with a session of %s, asked for %s of who has %j',
    async (session, _, having, parameters, expected) => {
      expect(await outcomeOf(session, having, silent(parameters))).toEqual(expected);
    },
  );
});

test('an app’s own default is asked for as if it had said so', async () => {
  const metadata = { default_acr_values: [TWO] };
  const strict = await createRelyingParty(app, { metadata });
  const outcome = await outcomeOf('1fa', ['totp'], {}, { at: strict });
  expect(outcome).toEqual(told('totp', TWO, 'pwd otp mfa', 'then'));
});

test('who steps up stays signed in under the same session, which is worth more from then on', async () => {
  const owner = await createOwner(app, ['totp']);
  const visitor = await browserWith('1fa', owner);
  const first = await party.authorize(two);
  await walk(app, owner, visitor, first.url);
  const next = await party.authorize({ prompt: 'none', ...two });
  const back = await visitor.open(next.url, CALLBACK);
  expect(await claimsOf(next, back)).toMatchObject({ acr: TWO });
});

test('tokens of a refresh say the same as the first', async () => {
  const owner = await createOwner(app, ['totp']);
  const request = await party.authorize({ ...two, scope: 'openid offline_access' });
  const { end } = await walk(app, owner, createVisitor(), request.url);
  const tokens = await request.redeem(end.url);
  const later = await oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
  const { acr, amr, auth_time } = tokens.claims() as Claims;
  expect({ acr, amr }).toEqual({ acr: TWO, amr: ['pwd', 'otp', 'mfa'] });
  expect(later.claims()).toMatchObject({ acr, amr, auth_time });
  // As APIs are told, of either access token (RFC 9470 §6.2).
  for (const { access_token } of [tokens, later]) {
    const seen = await oidc.tokenIntrospection(party.config, access_token);
    expect(seen).toMatchObject({ active: true, acr, amr, auth_time });
  }
});

describe('wherever a request comes from', () => {
  const [acr, amr] = [TWO, ['pwd', 'otp', 'mfa']];

  test('a pushed one is asked for as much, and can’t be made weaker in the browser', async () => {
    const owner = await createOwner(app, ['totp']);
    const visitor = await browserWith('1fa', owner);
    const { query, checks } = await prepareRequest({ ...two, redirect_uri: CALLBACK });
    const pushed = await oidc.buildAuthorizationUrlWithPAR(lenient.config, query);
    pushed.searchParams.set('acr_values', ONE);
    pushed.searchParams.set('claims', '{}');
    const { pages, end } = await walk(app, owner, visitor, pushed.href);
    expect(pages).toEqual(['totp']);
    const tokens = await redeemer(lenient.config, checks)(end.url);
    expect(tokens.claims()).toMatchObject({ acr, amr });
  });

  test('an ID token in the answer itself says the same', async () => {
    const home = 'https://app.example.com/callback';
    const hybrid = await createRelyingParty(app, {
      redirectUris: [home],
      metadata: {
        response_types: ['code id_token'],
        grant_types: ['authorization_code', 'implicit'],
      },
    });
    const owner = await createOwner(app, ['totp']);
    const visitor = await browserWith('1fa', owner);
    const asked = { ...phrOrTwo, response_type: 'code id_token', redirect_uri: home };
    const page = await visitor.open((await hybrid.authorize(asked)).url, home);
    const end = await visitor.submit(page, '/totp', { code: await unusedCode(app, owner) }, home);
    const answer = new URLSearchParams(new URL(end.url).hash.slice(1));
    expect(decodeJwt(String(answer.get('id_token')))).toMatchObject({ acr, amr });
  });

  test('somebody else’s app is answered after both, the factor and the person’s consent', async () => {
    const third = await createRelyingParty(app, { firstParty: false });
    const owner = await createOwner(app, ['totp']);
    const visitor = await browserWith('1fa', owner);
    const request = await third.authorize(two);
    const { pages, end } = await walk(app, owner, visitor, request.url);
    expect([pages, pageName(end)]).toEqual([['totp'], 'consent']);
    const back = await visitor.submit(end, '/consent', {}, CALLBACK);
    expect(await claimsOf(request, back)).toMatchObject({ acr, amr });
  });

  test('a device is connected by who has proven as much', async () => {
    const tv = await createRelyingParty(app, { kind: 'native', name: 'Telly' });
    const owner = await createOwner(app, ['totp']);
    const visitor = await browserWith('1fa', owner);
    const code = await oidc.initiateDeviceAuthorization(tv.config, { scope: 'openid', ...two });
    const enter = await visitor.open(`${app.issuer}/device`);
    const confirm = await visitor.submit(enter, '/device', { user_code: code.user_code });
    const asked = await visitor.submit(confirm, '/device');
    const poll = () =>
      oidc.genericGrantRequest(tv.config, 'urn:ietf:params:oauth:grant-type:device_code', {
        device_code: code.device_code,
      });
    expect(pageName(asked)).toBe('totp');
    expect(await errorOf(poll())).toBe('authorization_pending');
    const { end } = await walkOn(app, owner, visitor, asked);
    expect(pageName(end)).toBe('device-done');
    expect((await poll()).claims()).toMatchObject({ acr, amr });
  });
});
