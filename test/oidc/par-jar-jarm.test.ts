import { CompactEncrypt, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  createRelyingParty,
  discover,
  errorOf,
  prepareRequest,
  type RelyingParty,
  redeemer,
} from '../support/relying-party.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
});
afterAll(() => app.stop());

const answerOf = (url: string) => Object.fromEntries(new URL(url).searchParams);

describe('pushed authorization requests (RFC 9126)', () => {
  let party: RelyingParty;
  beforeAll(async () => {
    party = await createRelyingParty(app, {
      metadata: { require_pushed_authorization_requests: true },
    });
  });

  const push = async (parameters = {}) => {
    const { query, checks } = await prepareRequest({ redirect_uri: CALLBACK, ...parameters });
    const url = await oidc.buildAuthorizationUrlWithPAR(party.config, query);
    return { url, checks };
  };

  test('a pushed request signs in, with everything that was pushed and nothing else', async () => {
    const { url, checks } = await push({ scope: 'openid email offline_access' });
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    url.searchParams.set('scope', 'openid address');
    const back = await createVisitor().signIn(url.href, CALLBACK);
    const tokens = await redeemer(party.config, checks)(back.url);
    expect(tokens.scope?.split(' ').sort()).toEqual(['email', 'offline_access', 'openid']);
    expect(tokens.refresh_token).toBeTypeOf('string');
  });

  test('a request_uri works once', async () => {
    const { url } = await push();
    const visitor = createVisitor();
    await visitor.signIn(url.href, CALLBACK);
    const again = await visitor.open(url.href, CALLBACK);
    expect(pageName(again)).toBe('error');
    expect(again.status).toBe(400);
  });

  test('a request_uri is for the client that pushed it', async () => {
    const other = await createRelyingParty(app);
    const { url } = await push();
    url.searchParams.set('client_id', other.client.id);
    const page = await createVisitor().open(url.href, CALLBACK);
    expect(pageName(page)).toBe('error');
  });

  test.each([
    'urn:ietf:params:oauth:request_uri:guessed',
    'https://evil.example/request',
    'urn:other',
  ])('%s is no request', async (request_uri) => {
    const url = new URL(`${app.issuer}/authorize`);
    url.search = new URLSearchParams({ client_id: party.client.id, request_uri }).toString();
    const page = await createVisitor().open(url.href, CALLBACK);
    expect(pageName(page)).toBe('error');
    expect(page.status).toBe(400);
  });

  test('a client that must push is refused when it does not', async () => {
    const request = await party.authorize();
    const back = await createVisitor().open(request.url, CALLBACK);
    expect(answerOf(back.url).error).toBe('invalid_request');
  });

  test('what is wrong is said at once, to the client', async () => {
    expect(await errorOf(push({ redirect_uri: 'https://evil.example/' }))).toBe('invalid_request');
    expect(await errorOf(push({ scope: 'openid address' }))).toBe('invalid_scope');
    const stranger = await discover(
      app.issuer,
      party.client.id,
      undefined,
      oidc.ClientSecretPost('x'),
    );
    const { query } = await prepareRequest({ redirect_uri: CALLBACK });
    const pushed = oidc.buildAuthorizationUrlWithPAR(stranger, query);
    expect(await errorOf(pushed)).toBe('invalid_client');
  });
});

describe('signed request objects (RFC 9101)', () => {
  let party: RelyingParty;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  beforeAll(async () => {
    keys = await generateKeyPair('ES256', { extractable: true });
    party = await createRelyingParty(app, {
      metadata: {
        jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', use: 'sig' }] },
        request_object_signing_alg: 'ES256',
        require_signed_request_object: true,
      },
    });
  });

  const claimsOf = async (parameters = {}) => {
    const { query, checks } = await prepareRequest({
      client_id: party.client.id,
      redirect_uri: CALLBACK,
      response_type: 'code',
      ...parameters,
    });
    return { claims: Object.fromEntries(query), checks };
  };

  const sign = (claims: object, key = keys.privateKey, header = {}) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
      .setIssuer(party.client.id)
      .setAudience(app.issuer)
      .setIssuedAt()
      .setExpirationTime('2m')
      .sign(key);

  const urlOf = (request: string, unsigned = {}) => {
    const url = new URL(`${app.issuer}/authorize`);
    const parameters = { client_id: party.client.id, request, ...unsigned };
    url.search = new URLSearchParams(parameters).toString();
    return url.href;
  };

  test('a request signed by the client signs in', async () => {
    const { query, checks } = await prepareRequest({
      redirect_uri: CALLBACK,
      scope: 'openid email offline_access',
    });
    const key = { key: keys.privateKey as oidc.CryptoKey, kid: 'k1' };
    const url = await oidc.buildAuthorizationUrlWithJAR(party.config, query, key);
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request']);
    const back = await createVisitor().signIn(url.href, CALLBACK);
    const tokens = await redeemer(party.config, checks)(back.url);
    expect(tokens.claims()?.email).toBe('ada@example.com');
    expect(tokens.refresh_token).toBeTypeOf('string');
  });

  test('only what is signed counts', async () => {
    const { claims, checks } = await claimsOf({ scope: 'openid email' });
    const unsigned = { scope: 'openid address', redirect_uri: 'https://evil.example/', state: 'x' };
    const url = urlOf(await sign(claims), unsigned);
    const back = await createVisitor().signIn(url, CALLBACK);
    const tokens = await redeemer(party.config, checks)(back.url);
    expect(tokens.scope?.split(' ').sort()).toEqual(['email', 'openid']);
  });

  test('an encrypted one is decrypted, offline access and all', async () => {
    const jwks = (await (await fetch(`${app.issuer}/jwks`)).json()) as { keys: { alg: string }[] };
    const jwk = jwks.keys.find((k) => k.alg === 'ECDH-ES') as never;
    const { claims, checks } = await claimsOf({ scope: 'openid offline_access' });
    const encrypted = await new CompactEncrypt(new TextEncoder().encode(await sign(claims)))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A128CBC-HS256', cty: 'JWT' })
      .encrypt(await importJWK(jwk));
    const back = await createVisitor().signIn(urlOf(encrypted), CALLBACK);
    const tokens = await redeemer(party.config, checks)(back.url);
    expect(tokens.refresh_token).toBeTypeOf('string');
  });

  test.each([
    [
      'unsigned (alg none)',
      async (c: object) => new UnsecuredJWT({ ...c }).setAudience(app.issuer).encode(),
    ],
    [
      'signed by another key',
      async (c: object) => sign(c, (await generateKeyPair('ES256')).privateKey),
    ],
    [
      'of an unknown kid',
      async (c: object) => sign(c, (await generateKeyPair('ES256')).privateKey, { kid: 'k2' }),
    ],
    ['with the secret as a key (HS256)', hmacSigned],
    ['truncated', async (c: object) => (await sign(c)).slice(0, -10)],
    ['with a flipped byte', async (c: object) => flip(await sign(c))],
    ['for another audience', async (c: object) => foreign(c, { aud: 'https://other.example/' })],
    ['of another issuer', async (c: object) => foreign(c, { iss: 'somebody-else' })],
    ['expired', async (c: object) => foreign(c, { exp: 1_700_000_000 })],
    ['no JWT', async () => 'nonsense'],
  ])('a request object is refused that is %s', async (_, make) => {
    const { claims } = await claimsOf();
    const url = urlOf(await make(claims), { redirect_uri: CALLBACK });
    const back = await createVisitor().open(url, CALLBACK);
    expect(answerOf(back.url).error).toBe('invalid_request_object');
  });

  test('a request that is not signed is refused from a client that signs', async () => {
    const request = await party.authorize();
    const back = await createVisitor().open(request.url, CALLBACK);
    expect(answerOf(back.url).error).toBe('invalid_request');
  });

  test('a signed request can be pushed', async () => {
    const { query, checks } = await prepareRequest({ redirect_uri: CALLBACK });
    const key = { key: keys.privateKey as oidc.CryptoKey, kid: 'k1' };
    const signed = await oidc.buildAuthorizationUrlWithJAR(party.config, query, key);
    const url = await oidc.buildAuthorizationUrlWithPAR(party.config, signed.searchParams);
    const back = await createVisitor().signIn(url.href, CALLBACK);
    await expect(redeemer(party.config, checks)(back.url)).resolves.toBeDefined();
  });

  function hmacSigned(claims: object): Promise<string> {
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(party.client.id)
      .setAudience(app.issuer)
      .setExpirationTime('2m')
      .sign(new TextEncoder().encode(party.secret));
  }

  function foreign(claims: object, change: object): Promise<string> {
    const all = { iss: party.client.id, aud: app.issuer, exp: 4_000_000_000, ...claims, ...change };
    return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(keys.privateKey);
  }
});

/** The JWT with one byte of its signature changed. */
function flip(jwt: string): string {
  const at = jwt.lastIndexOf('.') + 5;
  return `${jwt.slice(0, at)}${jwt[at] === 'A' ? 'B' : 'A'}${jwt.slice(at + 1)}`;
}

describe('signed answers (JARM)', () => {
  test.each(['jwt', 'query.jwt', 'fragment.jwt'])('response_mode=%s', async (response_mode) => {
    const party = await createRelyingParty(app, {
      metadata: { authorization_signed_response_alg: 'ES256' },
    });
    oidc.useJwtResponseMode(party.config);
    const request = await party.authorize({ response_mode });
    const back = await createVisitor().signIn(request.url, CALLBACK);
    const target = new URL(back.url.replace('#', '?'));
    expect([...target.searchParams.keys()]).toEqual(['response']);
    const tokens = await request.redeem(target);
    expect(tokens.claims()?.sub).toBeTypeOf('string');
  });

  test('an altered answer is noticed, and an error is signed too', async () => {
    const party = await createRelyingParty(app, {
      metadata: { authorization_signed_response_alg: 'ES256' },
    });
    oidc.useJwtResponseMode(party.config);
    const request = await party.authorize({ response_mode: 'jwt' });
    const back = new URL((await createVisitor().signIn(request.url, CALLBACK)).url);
    const altered = new URL(back);
    altered.searchParams.set('response', flip(String(back.searchParams.get('response'))));
    await expect(request.redeem(altered)).rejects.toThrow();
    const silent = await party.authorize({ response_mode: 'jwt', prompt: 'none' });
    const refused = await createVisitor().open(silent.url, CALLBACK);
    expect(await errorOf(silent.redeem(refused.url))).toBe('login_required');
  });
});
