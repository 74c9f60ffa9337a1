import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signInAgo } from '../account/account.ts';
import {
  openSignUp,
  type RegistrationApp,
  signUpForm,
  startRegistrationApp,
} from '../registration/registration-app.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import {
  authorizationUrl,
  type Credentials,
  callbackParams,
  redeem,
} from '../support/authorization.ts';
import { codeIn } from '../support/mailbox.ts';
import {
  baseOf,
  codeNow,
  createOwner,
  giveTotp,
  type Having,
  keyOn,
  type Owner,
  walk,
  walkOn,
} from '../support/second-factors.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

const TWO = 'urn:plinto:acr:2fa';
const ENROLLED = ['login', 'enrol-totp', 'recovery-codes'];

type Policy = 'off' | 'optional' | 'required';

let strict: RegistrationApp;
let lax: TestApp;
/** Apps of each installation, by their own policy. */
let clients: Record<'required' | 'off', Record<Policy | 'none', Credentials>>;

beforeAll(async () => {
  strict = await startRegistrationApp({
    MFA: 'required',
    MFA_FACTORS: 'totp',
    MFA_REMEMBER_DAYS: '30',
  });
  lax = await startApp({ MFA: 'off', MFA_FACTORS: 'totp', MFA_REMEMBER_DAYS: '30' });
  clients = { required: await clientsOf(strict), off: await clientsOf(lax) };
});
beforeEach(() => strict.runtime.deps.db('throttles').delete());
afterAll(async () => {
  await strict?.stop();
  await lax?.stop();
});

async function clientsOf(app: TestApp) {
  const own = (mfa: Policy) => app.createClient({ name: mfa, metadata: { mfa } });
  return {
    none: await app.createClient(),
    off: await own('off'),
    optional: await own('optional'),
    required: await own('required'),
  };
}

const urlOf = (own: Policy | 'none' = 'none', params: Record<string, string> = {}, app = strict) =>
  authorizationUrl(app, clients.required[own].client.id, params);

const errorIn = ({ url }: Page) => new URL(url).searchParams.get('error');

async function claimsOf(page: Page, client = clients.required.none) {
  const { code = '' } = callbackParams(page.url);
  const tokens = (await (await redeem(strict, client, code)).json()) as { id_token: string };
  return decodeJwt(tokens.id_token);
}

describe('whom a second factor is asked of', () => {
  const turnsOn = ENROLLED.join(' ');
  type Row = ['required' | 'off', Policy | 'none', Having[], boolean, string];
  test.each<Row>([
    ['required', 'none', [], false, turnsOn],
    ['required', 'none', ['totp'], false, 'login totp'],
    ['required', 'optional', [], false, 'login'],
    ['required', 'optional', ['totp'], false, 'login totp'],
    ['required', 'off', [], false, 'login'],
    ['required', 'off', ['totp'], false, 'login'],
    ['required', 'off', [], true, turnsOn],
    ['required', 'off', ['totp'], true, 'login totp'],
    ['off', 'none', [], false, 'login'],
    ['off', 'none', ['totp'], false, 'login'],
    ['off', 'optional', ['totp'], false, 'login totp'],
    ['off', 'required', [], false, turnsOn],
    ['off', 'required', ['totp'], false, 'login totp'],
    ['off', 'none', [], true, turnsOn],
    ['off', 'none', ['totp'], true, 'login totp'],
  ])(
    'where policy is %s and that of the app %s, of who has %j (administrator: %s)',
    async (policy, own, having, administrator, way) => {
      const app = policy === 'required' ? strict : lax;
      const owner = await createOwner(app, having, { administrator });
      const url = authorizationUrl(app, clients[policy][own].client.id);
      const { pages, end } = await walk(app, owner, createVisitor(), url);
      expect([pages.join(' '), errorIn(end)]).toEqual([way, null]);
    },
  );

  test('who signs up turns one on before anything else', async () => {
    const visitor = createVisitor();
    const register = await openSignUp(strict, visitor);
    const email = 'grace@example.com';
    const verify = await visitor.submit(register, '/register', signUpForm(email));
    const code = codeIn(await strict.mailbox.waitFor(email));
    const enrol = await visitor.submit(verify, '/verify-email', { code }, CALLBACK);
    expect(pageName(enrol)).toBe('enrol-totp');
    const { url } = await visitor.open(urlOf('none', { prompt: 'none' }), CALLBACK);
    expect(url).toContain('error=login_required');
  });
});

describe('security 1: who has to turn one on gets nothing before', () => {
  async function atEnrolment(): Promise<{ owner: Owner; visitor: Visitor; page: Page }> {
    const owner = await createOwner(strict);
    const visitor = createVisitor();
    const { end } = await walk(strict, owner, visitor, urlOf(), { until: ['enrol-totp'] });
    expect(pageName(end)).toBe('enrol-totp');
    return { owner, visitor, page: end };
  }

  const expectNothing = async (visitor: Visitor): Promise<void> => {
    for (const own of ['none', 'off', 'optional'] as const) {
      const silent = await visitor.open(urlOf(own, { prompt: 'none' }), CALLBACK);
      expect(errorIn(silent)).toBe('login_required');
    }
    expect(pageName(await visitor.open(`${strict.issuer}/account`))).toBe('login');
  };

  test('security 1: not by going back, nor by any other page', async () => {
    const { visitor, page } = await atEnrolment();
    for (const step of ['', '/login', '/password', '/recovery-codes', '/totp', '/register']) {
      const seen = await visitor.open(`${baseOf(page)}${step}`, CALLBACK);
      expect([step, pageName(seen)]).toEqual([step, 'enrol-totp']);
    }
    await expectNothing(visitor);
  });

  test('security 1: not by beginning anew, in another tab, at another app or in the account', async () => {
    const { owner, visitor } = await atEnrolment();
    await expectNothing(visitor);
    for (const url of [urlOf(), urlOf('required'), `${strict.issuer}/account`]) {
      const { pages, end } = await walk(strict, owner, visitor, url, { until: ['enrol-totp'] });
      expect([pages, pageName(end)]).toEqual([['login'], 'enrol-totp']);
    }
  });

  test('security 1: not with a wrong code, none, or that of another tab’s key', async () => {
    const { owner, visitor, page } = await atEnrolment();
    const tab = await walk(strict, owner, visitor, urlOf(), { until: ['enrol-totp'] });
    const secret = keyOn(tab.end);
    expect(secret).not.toBe(keyOn(page));
    for (const code of ['', '000000', 'x', codeNow({ secret })]) {
      const again = await visitor.submit(page, '/enrol-totp', { code }, CALLBACK);
      expect([code, pageName(again)]).toEqual([code, 'enrol-totp']);
    }
    const factors = strict.runtime.deps.db('totp_credentials').where({ user_id: owner.user.id });
    expect(await factors).toEqual([]);
    await expectNothing(visitor);
  });

  test('security 1: nor before the recovery codes are seen', async () => {
    const { owner, visitor, page } = await atEnrolment();
    const { end } = await walkOn(strict, owner, visitor, page, { until: ['recovery-codes'] });
    expect(pageName(end)).toBe('recovery-codes');
    await expectNothing(visitor);
    for (const step of ['', '/login', '/totp', '/enrol-totp']) {
      const seen = await visitor.open(`${baseOf(end)}${step}`, CALLBACK);
      expect([step, pageName(seen)]).toEqual([step, 'recovery-codes']);
    }
    const done = await walkOn(strict, owner, visitor, end);
    expect(await claimsOf(done.end)).toMatchObject({ acr: TWO, amr: ['pwd', 'otp', 'mfa'] });
  });

  test('one that was turned on in another tab is asked for in the first', async () => {
    const { owner, visitor, page } = await atEnrolment();
    await giveTotp(strict, owner);
    const now = await visitor.open(page.url, CALLBACK);
    expect(pageName(now)).toBe('totp');
    expect((await walkOn(strict, owner, visitor, now)).end.url).toContain('code=');
  });
});

describe('a session of an app that asks for less, or of before the policy', () => {
  const signedInOnce = async (having: Having[] = []) => {
    const owner = await createOwner(strict, having);
    const visitor = createVisitor();
    const { pages } = await walk(strict, owner, visitor, urlOf('off'));
    expect(pages).toEqual(['login']);
    return { owner, visitor };
  };

  test('has a factor turned on at the next app that needs one, and not before', async () => {
    const { owner, visitor } = await signedInOnce();
    const silent = await visitor.open(urlOf('none', { prompt: 'none' }), CALLBACK);
    expect(errorIn(silent)).toBe('interaction_required');
    const lenient = await visitor.open(urlOf('off', { prompt: 'none' }), CALLBACK);
    expect(errorIn(lenient)).toBeNull();
    const { pages, end } = await walk(strict, owner, visitor, urlOf());
    expect(pages).toEqual(['enrol-totp', 'recovery-codes']);
    expect(await claimsOf(end)).toMatchObject({ acr: TWO, amr: ['pwd', 'otp', 'mfa'] });
  });

  test('security 3: is proven again for that, when it is old', async () => {
    const { owner, visitor } = await signedInOnce();
    await signInAgo(strict, owner.user.id, 601);
    const asked = await visitor.open(urlOf(), CALLBACK);
    expect(pageName(asked)).toBe('password');
    const skipped = await visitor.open(`${baseOf(asked)}/enrol-totp`, CALLBACK);
    expect(pageName(skipped)).toBe('password');
    const { pages } = await walkOn(strict, owner, visitor, asked);
    expect(pages).toEqual(['password', 'enrol-totp', 'recovery-codes']);
  });

  test('is asked for the factor alone, where there is one', async () => {
    const { owner, visitor } = await signedInOnce(['totp']);
    await signInAgo(strict, owner.user.id, 601);
    const silent = await visitor.open(urlOf('none', { prompt: 'none' }), CALLBACK);
    expect(errorIn(silent)).toBe('login_required');
    const { pages } = await walk(strict, owner, visitor, urlOf());
    expect(pages).toEqual(['totp']);
  });

  test('opens the account no more than policy lets it', async () => {
    const { visitor } = await signedInOnce(['totp']);
    expect(pageName(await visitor.open(`${strict.issuer}/account/sessions`))).toBe('totp');
  });
});

describe('what this installation hasn’t got', () => {
  test.each(['phr', 'phrh'])('asked for as acr it is an error at once: %s', async (acr_values) => {
    for (const params of [{ acr_values }, { acr_values, prompt: 'none' }]) {
      const page = await createVisitor().open(urlOf('none', params), CALLBACK);
      expect(errorIn(page)).toBe('unmet_authentication_requirements');
    }
  });

  test('isn’t told of in discovery', async () => {
    const response = await fetch(`${strict.issuer}/.well-known/openid-configuration`);
    const { acr_values_supported } = (await response.json()) as Record<string, unknown>;
    expect(acr_values_supported).toEqual(['urn:plinto:acr:1fa', TWO]);
  });
});

describe('a remembered browser', () => {
  async function remembered(app: TestApp = strict, input = {}) {
    const owner = await createOwner(app, ['totp'], input);
    const visitor = createVisitor();
    const id = clients[app === strict ? 'required' : 'off'].required.client.id;
    const url = authorizationUrl(app, id);
    await walk(app, owner, visitor, url, { remember: true });
    await app.runtime.deps.db('oidc_sessions').where({ account_id: owner.user.id }).delete();
    return { owner, visitor, url };
  }
  const cookiesOf = async ({ jar }: Visitor, app: TestApp) =>
    (await jar.getCookies(app.issuer)).filter(({ key }) => key.startsWith('plinto_trusted_'));

  test('does without the factor where an app’s own policy asks for it, too', async () => {
    const { owner, visitor, url } = await remembered(lax);
    const { pages, end } = await walk(lax, owner, visitor, url);
    expect([pages, errorIn(end)]).toEqual([['login'], null]);
  });

  test('that is forgotten in the account is asked again', async () => {
    const { owner, visitor, url } = await remembered();
    await walk(strict, owner, visitor, url);
    const devices = await visitor.open(`${strict.issuer}/account/devices`);
    const kept = await cookiesOf(visitor, strict);
    await visitor.submit(devices, '/account/devices', { device: 'all' });
    for (const cookie of kept) await visitor.jar.setCookie(cookie, strict.issuer);
    await strict.runtime.deps.db('oidc_sessions').where({ account_id: owner.user.id }).delete();
    expect((await walk(strict, owner, visitor, url)).pages).toEqual(['login', 'totp']);
  });

  test('security 3: vouches for nobody else, whatever name its cookie is given', async () => {
    const mine = await remembered();
    const yours = await remembered();
    const [own, ownSignature] = await cookiesOf(mine.visitor, strict);
    const [theirs, theirSignature] = await cookiesOf(yours.visitor, strict);
    const jar = mine.visitor.jar;
    for (const [name, value] of [
      [theirs?.key, own?.value],
      [theirSignature?.key, ownSignature?.value],
    ]) {
      await jar.setCookie(`${name}=${value}; Path=/`, strict.issuer);
    }
    const { pages } = await walk(strict, yours.owner, mine.visitor, mine.url);
    expect(pages).toEqual(['login', 'totp']);
  });

  test('security 3: spares no administrator, who is asked each time', async () => {
    const { owner, visitor, url } = await remembered(strict, { administrator: true });
    expect(await cookiesOf(visitor, strict)).toEqual([]);
    expect((await walk(strict, owner, visitor, url)).pages).toEqual(['login', 'totp']);
  });

  test('security 3: nor who became one since', async () => {
    const { owner, visitor, url } = await remembered();
    await strict.runtime.deps
      .db('users')
      .where({ id: owner.user.id })
      .update({ administrator: true });
    expect((await walk(strict, owner, visitor, url)).pages).toEqual(['login', 'totp']);
  });
});
