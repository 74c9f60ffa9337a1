import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createInitialAccessToken } from '../../src/oidc/initial-access-token.ts';
import { createSetupLink } from '../../src/setup/create-link.ts';
import { assignApi, createApi } from './api.ts';
import { CALLBACK, PASSWORD, type TestApp } from './app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  postAs,
  redeem,
  VERIFIER,
} from './authorization.ts';
import { createVisitor, type Visitor } from './visitor.ts';

/** Everything that opens something for whoever has it, by what it is; still good unless it says `used`. */
export type Secrets = Record<
  | 'accessToken'
  | 'clientSecret'
  | 'code'
  | 'csrf'
  | 'deviceCode'
  | 'deviceCookie'
  | 'dynamicSecret'
  | 'initialAccessToken'
  | 'interaction'
  | 'jwtAccessToken'
  | 'machineSecret'
  | 'password'
  | 'passwordMistyped'
  | 'refreshToken'
  | 'registrationToken'
  | 'requestUri'
  | 'session'
  | 'setupToken'
  | 'usedCode'
  | 'usedRefreshToken'
  | 'verifier',
  string
>;

export type WholeFlow = {
  secrets: Secrets;
  web: Credentials;
  device: Credentials;
  dynamicClientId: string;
};

const API = 'https://api.example.com';
const MISTYPED = 'mistyped-but-a-password-all-the-same';

type Json = Record<string, string>;
const json = async (response: Response | Promise<Response>) =>
  (await (await response).json()) as Json;

/**
 * A little of everything people and apps do, some of it half done: a sign-in under way, a code not
 * redeemed, a device not approved, a pushed request and a setup link not used.
 */
export async function runWholeFlow(app: TestApp): Promise<WholeFlow> {
  await app.createUser();
  const web = await app.createClient();
  const device = await app.createClient({ kind: 'native', name: 'Device' });
  const signedIn = await signInAndRefresh(app, web);
  const pending = await beginSignIn(app, web);
  const machine = await runMachine(app);
  const registered = await register(app);
  const deviceCode = await json(
    postAs(`${app.issuer}/device/authorize`, device, { scope: 'openid' }),
  );
  const pushed = Object.fromEntries(new URL(authorizationUrl(app, web.client.id)).searchParams);
  const par = await json(postAs(`${app.issuer}/par`, web, pushed));
  const link = await transaction(app.runtime.deps.db, (trx) =>
    createSetupLink(trx, app.runtime.deps, SYSTEM, app.issuer),
  );
  return {
    web,
    device,
    dynamicClientId: String(registered.client_id),
    secrets: {
      ...signedIn,
      ...pending,
      ...machine,
      clientSecret: String(web.secret),
      deviceCode: String(deviceCode.device_code),
      dynamicSecret: String(registered.client_secret),
      initialAccessToken: String(registered.initialAccessToken),
      password: PASSWORD,
      passwordMistyped: MISTYPED,
      registrationToken: String(registered.registration_access_token),
      requestUri: String(par.request_uri),
      setupToken: link.slice(link.lastIndexOf('/') + 1),
      verifier: VERIFIER,
    },
  };
}

async function signInAndRefresh(app: TestApp, web: Credentials) {
  const visitor = createVisitor();
  const url = authorizationUrl(app, web.client.id, { scope: 'openid offline_access' });
  const usedCode = codeOf((await visitor.signIn(url, CALLBACK)).url);
  const first = await json(redeem(app, web, usedCode));
  const fields = { grant_type: 'refresh_token', refresh_token: String(first.refresh_token) };
  const second = await json(postAs(`${app.issuer}/token`, web, fields));
  const code = codeOf((await visitor.open(url, CALLBACK)).url);
  const authorization = `Bearer ${second.access_token}`;
  await fetch(`${app.issuer}/userinfo`, { headers: { authorization } });
  await postAs(`${app.issuer}/introspect`, web, { token: String(second.refresh_token) });
  await signInAndRevoke(app, web, url);
  await makeMistakes(app, web, code, String(second.access_token));
  return {
    accessToken: String(second.access_token),
    code,
    deviceCookie: await cookie(app, visitor, 'plinto_device'),
    refreshToken: String(second.refresh_token),
    session: await cookie(app, visitor, 'plinto_session'),
    usedCode,
    usedRefreshToken: String(first.refresh_token),
  };
}

async function signInAndRevoke(app: TestApp, web: Credentials, url: string): Promise<void> {
  const back = await createVisitor().signIn(url, CALLBACK);
  const tokens = await json(redeem(app, web, codeOf(back.url)));
  await postAs(`${app.issuer}/revoke`, web, { token: String(tokens.refresh_token) });
}

/** Secrets in places where they don't belong, as happens. */
async function makeMistakes(app: TestApp, web: Credentials, code: string, token: string) {
  const wrong = { ...web, secret: `${web.secret}x` };
  await redeem(app, wrong, code);
  await redeem(app, web, `${code}x`);
  await redeem(app, web, code, { redirect_uri: 'https://elsewhere.example/' });
  await fetch(`${app.issuer}/callback?code=${code}`);
  await fetch(`${app.issuer}/${token}/${code}`);
  await fetch(`${app.issuer}/userinfo?access_token=${token}`);
  await fetch(`${app.issuer}/authorize?client_id=${token}&code=${code}`);
  await fetch(`${app.issuer}/setup/${token}`);
  const headers = { authorization: `Basic ${token}`, cookie: `plinto_session=${token}` };
  await fetch(`${app.issuer}/token`, { method: 'POST', headers, body: `code=${code}%00` });
}

async function beginSignIn(app: TestApp, web: Credentials) {
  const visitor = createVisitor();
  const page = await visitor.open(authorizationUrl(app, web.client.id));
  await visitor.submit(page, '/login', { identifier: 'ada@example.com', password: MISTYPED });
  await visitor.submit(page, '/login', { identifier: 'nobody@example.com', password: MISTYPED });
  return {
    csrf: /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '',
    interaction: page.url.slice(page.url.lastIndexOf('/') + 1),
  };
}

async function runMachine(app: TestApp) {
  const machine = await app.createClient({ kind: 'machine', name: 'Machine' });
  await createApi(app, API, ['read']);
  await assignApi(app, machine.client as never, API);
  const fields = { grant_type: 'client_credentials', resource: API, scope: 'read' };
  const tokens = await json(postAs(`${app.issuer}/token`, machine, fields));
  return { jwtAccessToken: String(tokens.access_token), machineSecret: String(machine.secret) };
}

async function register(app: TestApp): Promise<Json> {
  const initialAccessToken = await transaction(app.runtime.deps.db, (trx) =>
    createInitialAccessToken(trx, app.runtime, SYSTEM, 3600),
  );
  const registered = await json(
    fetch(`${app.issuer}/register`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${initialAccessToken}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ redirect_uris: [CALLBACK], client_name: 'Dynamo' }),
    }),
  );
  return { ...registered, initialAccessToken };
}

const codeOf = (url: string) => String(callbackParams(url).code);

async function cookie(app: TestApp, visitor: Visitor, name: string): Promise<string> {
  const cookies = await visitor.jar.getCookies(app.issuer);
  return String(cookies.find(({ key }) => key === name)?.value);
}
