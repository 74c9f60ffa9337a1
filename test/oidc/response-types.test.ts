import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts';
import { createVisitor, type Page } from '../support/visitor.ts';

/** Web clients that get tokens in the browser need https, and never localhost. */
const HTTPS = 'https://app.example.com/callback';

let app: TestApp;
let everything: RelyingParty;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  everything = await createRelyingParty(app, {
    redirectUris: [HTTPS],
    metadata: {
      response_types: ['code', 'code id_token', 'id_token', 'none'],
      grant_types: ['authorization_code', 'implicit', 'refresh_token'],
    },
  });
});
afterAll(() => app.stop());

async function answer(
  parameters: Record<string, string>,
  useType?: (c: oidc.Configuration) => void,
) {
  useType?.(everything.config);
  const request = await everything.authorize(parameters);
  const page = await createVisitor().signIn(request.url, HTTPS);
  return { request, page };
}

/** The fields of a page that posts itself to the client (OAuth 2.0 Form Post Response Mode). */
function postedForm(page: Page): { action: string | undefined; fields: Record<string, string> } {
  const action = /<form method="post" action="([^"]+)"/.exec(page.html)?.[1];
  const inputs = page.html.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g);
  return {
    action,
    fields: Object.fromEntries([...inputs].map(([, name, value]) => [name, value])),
  };
}

test('code id_token: both in the fragment, the ID token vouching for the code', async () => {
  const config = await oidc.discovery(
    new URL(app.issuer),
    everything.client.id,
    everything.secret,
    undefined,
    { execute: [oidc.allowInsecureRequests, oidc.useCodeIdTokenResponseType] },
  );
  const request = await everything.authorize({ response_type: 'code id_token' });
  const page = await createVisitor().signIn(request.url, HTTPS);
  expect(page.url).toMatch(/#.*id_token=/);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(page.url), request.checks);
  expect(tokens.claims()?.sub).toBeTypeOf('string');
});

test('id_token alone: no code, no access token', async () => {
  const config = await oidc.discovery(
    new URL(app.issuer),
    everything.client.id,
    undefined,
    oidc.None(),
    { execute: [oidc.allowInsecureRequests, oidc.useIdTokenResponseType] },
  );
  const { request, page } = await answer({ response_type: 'id_token', scope: 'openid email' });
  const fragment = new URLSearchParams(new URL(page.url).hash.slice(1));
  expect([...fragment.keys()].sort()).toEqual(['id_token', 'state']);
  const claims = await oidc.implicitAuthentication(
    config,
    new URL(page.url),
    String(request.checks.expectedNonce),
    { expectedState: String(request.checks.expectedState) },
  );
  expect(claims.email).toBe('ada@example.com');
});

test('none: an answer without anything in it', async () => {
  const { page } = await answer({ response_type: 'none' });
  expect([...new URL(page.url).searchParams.keys()].sort()).toEqual(['iss', 'state']);
});

test.each(['token', 'id_token token', 'code token', 'code id_token token', 'dance'])(
  'response type %s is not offered',
  async (response_type) => {
    const request = await everything.authorize({ response_type });
    const page = await createVisitor().open(request.url, HTTPS);
    expect(page.url).toContain('error=unsupported_response_type');
  },
);

test('a client gets the response types that it registered', async () => {
  const plain = await createRelyingParty(app, { redirectUris: [HTTPS] });
  const request = await plain.authorize({ response_type: 'id_token' });
  const page = await createVisitor().open(request.url, HTTPS);
  expect(page.url).toContain('error=invalid_request');
});

test.each(['http://app.example.com/callback', 'https://localhost/callback'])(
  'a web client can not get tokens at %s',
  async (redirectUri) => {
    const input = {
      redirectUris: [redirectUri],
      metadata: { response_types: ['id_token'], grant_types: ['implicit'] },
    };
    await expect(app.createClient(input)).rejects.toThrow(/implicit/);
  },
);

test('a code is not put in a fragment, nor an ID token in a query, unless asked for and safe', async () => {
  const { page: code } = await answer({ response_mode: 'fragment' });
  expect(code.url).toMatch(/#.*code=/);
  const request = await everything.authorize({ response_type: 'id_token', response_mode: 'query' });
  const page = await createVisitor().open(request.url, HTTPS);
  expect(page.url).toMatch(/error=invalid_request/);
});

describe('form_post', () => {
  test('posts the answer, from a page whose script the policy lets run', async () => {
    const { request, page } = await answer({ response_mode: 'form_post' });
    const { action, fields } = postedForm(page);
    expect(action).toBe(HTTPS);
    expect(fields).toEqual({
      code: expect.any(String),
      state: request.checks.expectedState,
      iss: app.issuer,
    });
    expect(page.headers.get('content-security-policy')).toMatch(/script-src [^;]*'sha256-/);
    expect(page.headers.get('content-security-policy')).not.toContain('form-action');
    expect(page.headers.get('cache-control')).toMatch(/no-store/);
    const callback = new Request(HTTPS, { method: 'POST', body: new URLSearchParams(fields) });
    const tokens = await oidc.authorizationCodeGrant(everything.config, callback, request.checks);
    expect(tokens.claims()?.sub).toBeTypeOf('string');
  });

  test('posts an error too, and hostile values stay values', async () => {
    const state = '"><script>alert(1)</script>';
    const request = await everything.authorize({
      response_mode: 'form_post',
      prompt: 'none',
      state,
    });
    const page = await createVisitor().open(request.url);
    expect(page.html).not.toContain('<script>alert');
    expect(postedForm(page).fields.error).toBe('login_required');
  });
});

describe('a request by POST', () => {
  test('signs in like one by GET (OpenID Connect Core §3.1.2.1)', async () => {
    const party = await createRelyingParty(app);
    const request = await party.authorize({ scope: 'openid email' });
    const { origin, pathname, searchParams } = new URL(request.url);
    const visitor = createVisitor();
    const login = await visitor.open(`${origin}${pathname}`, CALLBACK, {
      method: 'POST',
      body: searchParams,
    });
    expect(login.url).toContain('/interaction/');
    const back = await visitor.signIn(request.url, CALLBACK);
    expect((await request.redeem(back.url)).claims()?.email).toBe('ada@example.com');
  });

  test('signs out like one by GET (RP-Initiated Logout §2)', async () => {
    const visitor = createVisitor();
    const party = await createRelyingParty(app);
    const tokens = await party.signIn({}, { visitor });
    const page = await visitor.open(`${app.issuer}/logout`, undefined, {
      method: 'POST',
      body: new URLSearchParams({ id_token_hint: String(tokens.id_token) }),
    });
    expect(page.html).toContain('data-page="logout"');
    const done = await visitor.submit(page, '/logout/confirm', { logout: 'yes' });
    expect(done.html).toContain('data-page="signed-out"');
  });
});
