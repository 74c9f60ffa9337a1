import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addressKey } from '../../src/throttle/throttle.ts';
import { CALLBACK, PASSWORD, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';

const ADA = 'ada@example.com';
const WRONG = 'not-the-password-at-all';
/** Tries without a delay, per account and per address. */
const FREE = 10;
const FREE_ADDRESS = 50;

let app: TestApp;
let clientId: string;

beforeAll(async () => {
  app = await startApp();
  await app.createUser();
  clientId = (await app.createClient()).client.id;
});
afterAll(() => app.stop());
beforeEach(async () => {
  await throttles().delete();
  await app.runtime.deps.db('known_devices').delete();
});

const throttles = () => app.runtime.deps.db('throttles');

/** Lets every delay pass. */
const wait = () => throttles().update({ blocked_until: app.runtime.deps.db.fn.now() });

/** As if so many failures had been counted; whose is told by what made the only rows. */
const haveFailed = (failures: number) => throttles().update({ failures });

/** How often passwords were looked at, or refused, while something was done. */
async function countReasons(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const read = async () => {
    const { db } = app.runtime.deps;
    const reason = db.raw("data->>'reason' AS reason");
    const rows = await db('audit_events').where({ type: 'sign_in.failed' }).select(reason);
    return rows.map((row: { reason: string }) => row.reason).sort();
  };
  const counts = (reasons: string[], of: string) => reasons.filter((r) => r === of).length;
  const before = await read();
  await work();
  const after = await read();
  const changes = [...new Set(after)].map(
    (r) => [r, counts(after, r) - counts(before, r)] as const,
  );
  return Object.fromEntries(changes.filter(([, change]) => change > 0));
}

/** One try on the sign-in page, with an interaction of its own. */
async function attempt(
  password: string,
  { identifier = ADA, visitor = createVisitor() }: { identifier?: string; visitor?: Visitor } = {},
): Promise<Page> {
  const page = await visitor.open(authorizationUrl(app, clientId, { prompt: 'login' }));
  const form = pageName(page) === 'password' ? '/password' : '/login';
  return visitor.submit(page, form, { identifier, password }, CALLBACK);
}

const signedIn = (page: Page): boolean => page.url.startsWith(`${CALLBACK}?code=`);

async function fail(times: number, options: Parameters<typeof attempt>[1] = {}): Promise<Page> {
  let page: Page | undefined;
  for (let time = 0; time < times; time += 1) page = await attempt(WRONG, options);
  return page as Page;
}

/** Uses up the free tries, the first and last of them for real. */
async function useUp(options: Parameters<typeof attempt>[1] = {}): Promise<void> {
  await fail(1, options);
  await haveFailed(FREE);
  await fail(1, options);
}

describe('wrong passwords', () => {
  test('cost nothing but the try at first, and a sign-in forgets them', async () => {
    await fail(FREE - 1);
    expect(signedIn(await attempt(PASSWORD))).toBe(true);
    const page = await fail(FREE - 1);
    expect(alertText(page)).toContain('Wrong');
  });

  test('are then delayed, even if the next password is right, and the page says how long', async () => {
    await fail(FREE + 1);
    const visitor = createVisitor();
    const page = await attempt(PASSWORD, { visitor });
    expect(pageName(page)).toBe('login');
    expect(alertText(page)).toMatch(/^Too many tries\. Wait [12] seconds?, then try again\.$/);
    expect(page.html).toContain(`value="${ADA}"`);
    await wait();
    const { db } = app.runtime.deps;
    await db('login_attempts').update({ retry_at: db.raw("now() + interval '30 s'") });
    expect(alertText(await visitor.open(page.url))).toMatch(/Wait (30|[12]\d) seconds/);
    await db('login_attempts').update({ retry_at: db.fn.now() });
    expect(alertText(await visitor.open(page.url))).toBeUndefined();
    expect(signedIn(await attempt(PASSWORD))).toBe(true);
  });

  test.each([
    [FREE, 2],
    [FREE + 1, 4],
    [FREE + 4, 32],
    [FREE + 8, 512],
    [FREE + 9, 900],
    [98, 900],
    [99, 86_400],
    [500, 86_400],
  ])('after %i failures the next one costs %i seconds', async (failures, seconds) => {
    await fail(1);
    await haveFailed(failures);
    await fail(1);
    const { db } = app.runtime.deps;
    const { delay } = await throttles()
      .select(db.raw('round(extract(epoch FROM max(blocked_until - updated_at)))::int AS delay'))
      .first();
    expect(delay).toBe(seconds);
  });

  test('are forgotten after a month', async () => {
    await fail(1);
    await haveFailed(60);
    await throttles().update({ updated_at: app.runtime.deps.db.raw("now() - interval '31 days'") });
    await fail(1);
    expect((await throttles()).map(({ failures }) => failures)).toEqual([1, 1]);
  });

  test('delay known and unknown accounts alike', async () => {
    const pages = [];
    for (const identifier of [ADA, 'nobody@example.com', 'nobody']) {
      await throttles().delete();
      await useUp({ identifier });
      const page = await attempt(WRONG, { identifier });
      pages.push([page.status, alertText(page)?.replace(/\d seconds?/, 'n')]);
    }
    expect(new Set(pages.map((page) => JSON.stringify(page))).size).toBe(1);
    expect(pages[0]?.[1]).toContain('Too many tries');
  });

  test('are counted against the person, however they are spelled', async () => {
    for (const identifier of ['ada@EXAMPLE.com', 'ADA@example.com', ' ada@example.com ']) {
      await fail(3, { identifier });
    }
    const counts = await throttles().orderBy('failures').select('failures');
    expect(counts.map(({ failures }) => failures)).toEqual([9, 9]);
  });

  test('sent at once can’t outrun the count', async () => {
    const reasons = await countReasons(() =>
      Promise.all(Array.from({ length: 3 * FREE }, () => attempt(WRONG))),
    );
    // Two seconds after the first delayed try another is due, which a slow machine may reach.
    const { wrong_password: looked = 0, throttled = 0 } = reasons;
    expect([FREE + 1, FREE + 2]).toContain(looked);
    expect(looked + throttled).toBe(3 * FREE);
  });
});

describe('two processes on one database', () => {
  test('share the count, and one that starts later knows it', async () => {
    const replica = await app.startReplica();
    const visitor = createVisitor();
    const page = await visitor.open(authorizationUrl(app, clientId));
    const { action, hidden } = findForm(page, '/login');
    const tryAt = async (port: number) => {
      const url = new URL(action);
      url.port = String(port);
      const body = new URLSearchParams({ ...hidden, identifier: ADA, password: WRONG });
      expect((await visitor.request(url.href, { method: 'POST', body })).status).toBe(303);
    };
    const here = Number(new URL(app.issuer).port);
    const reasons = await countReasons(async () => {
      for (let time = 0; time < FREE + 1; time += 1) await tryAt(time % 2 ? here : replica.port);
      // The delay is long enough for another process to start.
      await throttles().update({
        blocked_until: app.runtime.deps.db.raw("now() + interval '1 h'"),
      });
      await tryAt(here);
      await tryAt(replica.port);
      await replica.stop();
      const later = await app.startReplica();
      await tryAt(later.port);
      await later.stop();
    });
    expect(reasons).toEqual({ wrong_password: FREE + 1, throttled: 3 });
  });
});

describe('a device the person signed in on before', () => {
  test('keeps its own count when a stranger uses the account’s up', async () => {
    const owner = createVisitor();
    expect(signedIn(await attempt(PASSWORD, { visitor: owner }))).toBe(true);
    await fail(1);
    await haveFailed(99);
    await fail(1);
    expect(alertText(await attempt(PASSWORD))).toContain('Wait 24 hours');
    // The stranger's address is the owner's here, and is used up with the account.
    await throttles().update({
      blocked_until: app.runtime.deps.db.raw("now() + interval '1 day'"),
    });
    expect(signedIn(await attempt(PASSWORD, { visitor: owner }))).toBe(true);
  });

  test('is delayed for its own failures', async () => {
    const owner = createVisitor();
    await attempt(PASSWORD, { visitor: owner });
    await useUp({ visitor: owner });
    expect(alertText(await attempt(PASSWORD, { visitor: owner }))).toContain('Too many tries');
    expect(signedIn(await attempt(PASSWORD))).toBe(true);
  });

  test('is known for the person who signed in on it only', async () => {
    const eve = await app.createUser({ email: 'eve@example.com' });
    const visitor = createVisitor();
    await attempt(PASSWORD, { visitor, identifier: 'eve@example.com' });
    const logout = await visitor.open(`${app.issuer}/logout`);
    await visitor.submit(logout, '/logout/confirm', { logout: 'yes' });
    await useUp({ visitor });
    expect(await app.runtime.deps.db('known_devices')).toMatchObject([{ user_id: eve.id }]);
    expect(alertText(await attempt(PASSWORD))).toContain('Too many tries');
  });
});

describe('security 4: a person asked for the password again', () => {
  test('is throttled too', async () => {
    const visitor = createVisitor();
    await attempt(PASSWORD, { visitor });
    await useUp({ visitor });
    const page = await attempt(PASSWORD, { visitor });
    expect(pageName(page)).toBe('password');
    expect(alertText(page)).toMatch(/^Too many tries\. Wait [12] seconds?/);
  });

  test('can’t use up what others have by trying a new interaction each time', async () => {
    const visitor = createVisitor();
    await attempt(PASSWORD, { visitor });
    await app.runtime.deps.db('known_devices').delete();
    const { wrong_password } = await countReasons(() =>
      Promise.all(Array.from({ length: 2 * FREE }, () => attempt(WRONG, { visitor }))),
    );
    expect(wrong_password).toBe(FREE + 1);
  });
});

describe('security 6: an address', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::', '2001:db8:1:3::/64'],
    ['', 'unknown'],
    ['not-an-address', 'unknown'],
  ])('%s is counted as %s', (ip, id) => {
    expect(addressKey(ip)).toEqual({ scope: 'address', id });
  });

  test('is counted across accounts, and no account suffers when it is delayed', async () => {
    await fail(1, { identifier: 'someone-0' });
    await haveFailed(FREE_ADDRESS);
    await throttles().update({ blocked_until: app.runtime.deps.db.raw("now() + interval '9 s'") });
    const before = await throttles().count({ rows: '*' }).first();
    expect(await countReasons(() => fail(3))).toEqual({ throttled: 3 });
    const added = await throttles().where({ failures: 0 });
    expect(added).toHaveLength(1);
    expect(Number(before?.rows)).toBe(2);
  });

  test('isn’t what a client says it is', async () => {
    for (let time = 0; time < 4; time += 1) {
      const visitor = createVisitor({
        'x-forwarded-for': `198.51.100.${time}`,
        forwarded: `for=198.51.100.${time}`,
        'x-real-ip': `198.51.100.${time}`,
      });
      await attempt(WRONG, { visitor, identifier: `nobody-${time}` });
    }
    expect((await throttles().max({ most: 'failures' }).first())?.most).toBe(4);
    const { ip } = await app.runtime.deps.db('audit_events').orderBy('id', 'desc').first();
    expect(ip).toMatch(/127\.0\.0\.1|::1/);
  });
});

describe('security 6: behind a trusted proxy', () => {
  let proxied: TestApp;
  let client: string;

  beforeAll(async () => {
    proxied = await startApp({ TRUST_PROXY: '1' });
    client = (await proxied.createClient()).client.id;
  });
  afterAll(() => proxied.stop());

  test.each([
    ['the address that the proxy saw is counted', '198.51.100.1', '198.51.100.2', 2],
    [
      'what the client put before it is ignored',
      '10.0.0.1, 198.51.100.9',
      '10.0.0.2, 198.51.100.9',
      1,
    ],
    ['IPv6 is counted by /64', '2001:db8:7:7::1', '2001:db8:7:7:ffff::2', 1],
    ['neighbouring /64s are told apart', '2001:db8:7:8::1', '2001:db8:7:9::1', 2],
  ])('%s', async (_, one, two, addresses) => {
    const rows = proxied.runtime.deps.db('throttles');
    await rows.clone().delete();
    for (const address of [one, two]) {
      const visitor = createVisitor({ 'x-forwarded-for': address });
      const page = await visitor.open(authorizationUrl(proxied, client));
      await visitor.submit(page, '/login', { identifier: 'nobody', password: WRONG });
    }
    // One row is the account's.
    expect(await rows.clone()).toHaveLength(1 + addresses);
  });
});
