import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  createReader,
  type Messages,
  pastPassword,
  startMessages,
} from '../one-time-codes/message-codes.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { alertText, createVisitor, findForm, type Page, type Visitor } from '../support/visitor.ts';
import { giveApp, type PhoneApp } from '../totp/totp-app.ts';

/** Wrong codes without a delay. */
const FREE = 5;
const WRONG_RECOVERY_CODE = 'ZZZZ-ZZZZ-ZZZZ-ZZZZ';

let messages: Messages;
let app: TestApp;
let clientId: string;
let count = 0;

beforeAll(async () => {
  messages = await startMessages();
  app = await startApp({ ...messages.env, TRUST_PROXY: '1' });
  clientId = (await app.createClient()).client.id;
});
beforeEach(() => throttles().delete());
afterAll(async () => {
  await app?.stop();
  await messages?.stop();
});

const throttles = () => app.runtime.deps.db('throttles');

/** Lets every delay pass. */
const wait = () => throttles().update({ blocked_until: app.runtime.deps.db.fn.now() });

/** Makes the delay that a person has by now longer than any machine is slow. */
async function prolong(): Promise<void> {
  const { db } = app.runtime.deps;
  const delayed = throttles().whereRaw("blocked_until > updated_at + interval '1 second'");
  const blocked_until = db.raw("now() + interval '60 seconds'");
  expect(await delayed.update({ blocked_until })).toBe(1);
}

/** Somebody new with an app, recovery codes and codes by text message. */
async function createOwner() {
  count += 1;
  const email = `guarded${count}@example.com`;
  const phone = `+4479461${String(count).padStart(5, '0')}`;
  const user = await createReader(app, { email, phone, channels: ['sms'] });
  await app.runtime.deps
    .db('recovery_codes')
    .insert({ user_id: user.id, hash: Buffer.from(`no code of ${email}`) });
  return { user, email, app: await giveApp(app, user) };
}

type Owner = Awaited<ReturnType<typeof createOwner>>;
type SignIn = { visitor: Visitor; page: Page; base: string };

/** A sign-in of theirs in a browser never seen before, past the password. */
async function begin({ email }: Owner): Promise<SignIn> {
  count += 1;
  const visitor = createVisitor({ 'x-forwarded-for': `203.0.113.${count}` });
  const page = await pastPassword(visitor, authorizationUrl(app, clientId), email, CALLBACK);
  return { visitor, page, base: /^.*\/interaction\/[^/]+/.exec(page.url)?.[0] ?? '' };
}

/** A code typed in that sign-in, on the page of this name. */
async function type(
  { visitor, base, page }: SignIn,
  name: string,
  code: string,
  port?: number,
): Promise<string | undefined> {
  const form = findForm(page, '/switch');
  const address = new URL(`${base}/${name}`);
  if (port !== undefined) address.port = String(port);
  const response = await visitor.request(address.href, {
    method: 'POST',
    body: new URLSearchParams({ ...form.hidden, code }),
    headers: { origin: app.issuer },
  });
  expect(response.status).toBe(303);
  const next = await visitor.open(
    new URL(response.headers.get('location') ?? '', app.issuer).href,
    CALLBACK,
  );
  return next.url.startsWith(`${CALLBACK}?code=`) ? 'in' : alertText(next);
}

function wrongOf(phone: PhoneApp): string {
  const near = Array.from({ length: 43 }, (_, index) => phone.code(index - 21));
  return ['000000', '111111', '222222'].find((code) => !near.includes(code)) ?? '';
}

/** Why codes of a person were refused, and how often. */
async function refusals({ user }: Owner): Promise<Record<string, number>> {
  const rows = await app.runtime.deps
    .db('audit_events')
    .where({ user_id: user.id, type: 'sign_in.failed' });
  const reasons = rows.map(({ data }: { data: { reason: string } }) => data.reason);
  return Object.fromEntries(
    [...new Set(reasons)].map((reason) => [reason, reasons.filter((r) => r === reason).length]),
  );
}

/** Uses up what is free, and the try after it. */
async function useUp(owner: Owner): Promise<void> {
  const attempt = await begin(owner);
  for (let tries = 0; tries <= FREE; tries += 1)
    expect(await type(attempt, 'totp', wrongOf(owner.app))).toContain('not right');
}

test('security 4: wrong codes of an app, of a text message and recovery codes count together', async () => {
  const owner = await createOwner();
  for (let round = 0; round < 2; round += 1) {
    const attempt = await begin(owner);
    expect(await type(attempt, 'totp', wrongOf(owner.app))).toContain('not right');
    expect(await type(attempt, 'recovery-code', WRONG_RECOVERY_CODE)).toContain('not right');
    await type(attempt, 'send-sms-code', '');
    const sent = await messages.code(String(owner.user.phone_number), round);
    const other = sent === '00000000' ? '00000001' : '00000000';
    expect(await type(attempt, 'sms-code', other)).toContain('not right');
  }
  await prolong();
  for (const [name, code] of [
    ['totp', owner.app.code()],
    ['recovery-code', WRONG_RECOVERY_CODE],
  ] as const)
    expect(await type(await begin(owner), name, code)).toContain('Too many tries');
});

test('security 4: wrong codes that are sent at once can’t outrun the count', async () => {
  const owner = await createOwner();
  const attempts: SignIn[] = [];
  for (let index = 0; index < 4; index += 1) attempts.push(await begin(owner));
  const replica = await app.startReplica();
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      type(
        attempts[index % 4] as SignIn,
        'totp',
        wrongOf(owner.app),
        index < 10 ? replica.port : undefined,
      ),
    ),
  );
  await replica.stop();
  const { wrong_code: looked = 0, throttled = 0 } = await refusals(owner);
  // Two seconds after the first delayed try another is due, which a slow machine may reach.
  expect([FREE + 1, FREE + 2]).toContain(looked);
  expect(looked + throttled).toBe(20);
});

test('security 4: the count is known to a server that starts later', async () => {
  const owner = await createOwner();
  await useUp(owner);
  await prolong();
  const replica = await app.startReplica();
  const attempt = await begin(owner);
  expect(await type(attempt, 'totp', owner.app.code(), replica.port)).toContain('Too many tries');
  await replica.stop();
});

test('security 4: a right code that comes too early isn’t used up by it', async () => {
  const owner = await createOwner();
  await useUp(owner);
  const attempt = await begin(owner);
  await prolong();
  expect(await type(attempt, 'totp', owner.app.code())).toMatch(/Too many tries. Wait \d+ seconds/);
  await wait();
  expect(await type(attempt, 'totp', owner.app.code())).toBe('in');
});

test('security 4: codes of another time count, though the page says how far the clock is off', async () => {
  const owner = await createOwner();
  const attempt = await begin(owner);
  for (let tries = 0; tries <= FREE; tries += 1)
    expect(await type(attempt, 'totp', owner.app.code(-6 - tries))).toContain('behind');
  await prolong();
  expect(await type(attempt, 'totp', owner.app.code())).toContain('Too many tries');
});

test('security 4: whoever guesses isn’t told which code will be right, or when', async () => {
  const owner = await createOwner();
  const attempt = await begin(owner);
  expect(await type(attempt, 'totp', owner.app.code(6))).toContain('not right');
});

test.each([
  [FREE, 2],
  [FREE + 1, 4],
  [FREE + 8, 512],
  [FREE + 9, 900],
  [98, 900],
  [99, 86_400],
])('security 4: after %i wrong codes the next one costs %i seconds', async (failures, seconds) => {
  const owner = await createOwner();
  const attempt = await begin(owner);
  await throttles().delete();
  await type(attempt, 'totp', wrongOf(owner.app));
  await throttles().update({ failures });
  expect(await type(attempt, 'totp', wrongOf(owner.app))).toContain('not right');
  const { db } = app.runtime.deps;
  const { delay } = await throttles()
    .select(db.raw('round(extract(epoch FROM max(blocked_until - updated_at)))::int AS delay'))
    .first();
  expect(delay).toBe(seconds);
});
