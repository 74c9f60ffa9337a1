import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CALLBACK } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { codeIn } from '../support/mailbox.ts';
import { pageName, type Visitor } from '../support/visitor.ts';
import {
  forgetThrottles,
  type Person,
  type Scene,
  type Stage,
  send,
  startStage,
} from './every-form.ts';
import { beginSignIn, FORMS } from './form-scenes.ts';

const STEPS = Object.keys(FORMS)
  .filter((path) => path.startsWith('/interaction/'))
  .map((path) => path.slice('/interaction/:uid/'.length));

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});
beforeEach(() => forgetThrottles(stage));
afterAll(() => stage.stop());

async function set(path: string): Promise<Scene> {
  const scene = await FORMS[path]?.(stage);
  if (scene === undefined) throw new Error(`no form at ${path}`);
  return scene;
}

const inSignIn = (step: string) => set(`/interaction/:uid/${step}`);
const addressOf = (scene: Scene) => scene.action.replace(/\/[^/]+$/, '');

/** Goes on with a sign-in as if it were done, in every way a browser can; expects that it isn't. */
async function expectUnproven(visitor: Visitor, interaction: string): Promise<void> {
  const resumed = interaction.replace('/interaction/', '/authorize/');
  for (const url of [interaction, resumed]) {
    const page = await visitor.open(url, CALLBACK);
    expect(page.url).not.toContain('code=');
  }
  const silent = authorizationUrl(stage, stage.clientId, { prompt: 'none' });
  const answer = await visitor.open(silent, CALLBACK);
  expect(answer.url).toContain('error=login_required');
}

/** What somebody may send who saw the forms and has no secret. */
const GUESSES: Record<string, string>[] = [
  {},
  { code: '12345678' },
  { link: 'x'.repeat(43) },
  { link: '' },
  { sent: '00000000-0000-4000-8000-000000000000' },
  { new_password: 'copper-lantern-drifts-77' },
  { identifier: '', password: '' },
];

describe('security 1: no form that is sent before its turn signs anybody in:', () => {
  test.each(STEPS.filter((step) => step !== 'abort'))('security 1: %s', async (step) => {
    const { visitor, page } = await beginSignIn(stage);
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    for (const guess of GUESSES) {
      const scene = { visitor, action: `${page.url}/${step}`, fields: { ...guess, csrf } };
      const { status, location } = await send(scene);
      // A sign-up form without its stamp isn't from a page of ours.
      if (step === 'register' && 'new_password' in guess) expect([303, 403]).toContain(status);
      if (status === 403) expect(step).toBe('register');
      else expect([status, location.startsWith('/interaction/')]).toEqual([303, true]);
    }
    await expectUnproven(visitor, page.url);
    // And the sign-in can still be gone on with.
    expect((await visitor.open(page.url)).status).toBe(200);
  });
});

describe('security 1: an empty form in its turn goes nowhere:', () => {
  const TYPED = ['login', 'password', 'new-password', 'register', 'verify-email', 'code'];

  test.each(TYPED)('security 1: %s', async (step) => {
    const scene = await inSignIn(step);
    const { csrf = '', stamp = '' } = scene.fields;
    const { status, location } = await send({ ...scene, fields: { csrf, stamp } });
    expect([status, location.startsWith('/interaction/')]).toEqual([303, true]);
    const page = await scene.visitor.open(new URL(location, stage.issuer).href);
    expect([page.status, page.html.includes('role="alert"')]).toEqual([200, true]);
    // It works when it is filled in.
    expect((await send(scene)).status).toBe(303);
  });
});

describe('security 1: a code or link of one step is nothing to another:', () => {
  test.each([
    ['verify-email', 'code'],
    ['verify-email', 'new-password'],
    ['code', 'verify-email'],
    ['code', 'login'],
    ['code', 'new-password'],
  ])('security 1: that of %s at %s', async (step, other) => {
    const scene = await inSignIn(step);
    const { code = '' } = scene.fields;
    const fields = { ...scene.fields, link: code, password: code, new_password: code };
    await send({ ...scene, action: `${addressOf(scene)}/${other}`, fields });
    await expectUnproven(scene.visitor, addressOf(scene));
  });
});

test('security 1: a sign-up that is begun anew is verified by its own code only', async () => {
  const first = await inSignIn('verify-email');
  const second = await inSignIn('verify-email');
  const { code = '' } = first.fields;
  const { location } = await send({ ...second, fields: { ...second.fields, code } });
  expect(location).toMatch(/^\/interaction\//);
  await expectUnproven(second.visitor, addressOf(second));
});

test('security 1: back at the sign-up form, the address before is forgotten with its code', async () => {
  const verify = await inSignIn('verify-email');
  const register = await verify.visitor.open(`${addressOf(verify)}/register`);
  const before = stage.mailbox.messages.length;
  const fields = { email: 'other@example.com', new_password: 'amber-lantern-drifts-73' };
  const page = await verify.visitor.submit(register, '/register', fields);
  expect(pageName(page)).toBe('verify-email');
  // The code of the address that was typed first proves nothing of the second.
  expect((await send(verify)).location).toMatch(/^\/interaction\//);
  const code = codeIn(await stage.mailbox.waitFor('other@example.com', { after: before }));
  const done = await verify.visitor.submit(page, '/verify-email', { code }, CALLBACK);
  expect(done.url).toContain('code=');
  const { db } = stage.runtime.deps;
  const made = await db('users').where({ email: 'other@example.com' }).first();
  expect(made.email_verified_at).not.toBeNull();
});

describe('security 2: whoever sends somebody a link or a code of their own', () => {
  test.each(['verify-email', 'code'])('security 2: signs them in to nothing (%s)', async (step) => {
    const attacker = await inSignIn(step);
    const mail = stage.mailbox.messages.findLast(({ text }) =>
      text?.includes(String(attacker.fields.code)),
    );
    const link = /https?:\/\/\S+\?link=[\w-]+/.exec(String(mail?.text))?.[0] ?? '';
    expect(link).toContain(addressOf(attacker));
    const { visitor } = await beginSignIn(stage);
    const page = await visitor.open(link);
    expect(pageName(page)).toBe('link-elsewhere');
    expect(page.html).not.toContain('csrf');
    // Nor by the code in a sign-in of the victim's own.
    const own = await visitor.open(authorizationUrl(stage, stage.clientId));
    const csrf = /name="csrf" value="([^"]+)"/.exec(own.html)?.[1] ?? '';
    for (const fields of [
      { code: String(attacker.fields.code), csrf },
      { link: link.split('link=').at(-1) ?? '', csrf },
    ]) {
      await send({ visitor, action: `${own.url}/${step}`, fields });
    }
    await expectUnproven(visitor, own.url);
  });

  test.each(['/invitation/:token', '/reset-password/:token'])(
    'security 2: signs them in to nothing (%s)',
    async (path) => {
      const attacker = await set(path);
      const victim = stage.browser();
      await victim.open(attacker.action);
      expect((await send({ ...attacker, visitor: victim })).status).toBe(303);
      expect(pageName(await victim.open(`${attacker.action}/done`))).toBeDefined();
      const silent = authorizationUrl(stage, stage.clientId, { prompt: 'none' });
      expect((await victim.open(silent, CALLBACK)).url).toContain('error=login_required');
    },
  );

  test('security 2: attaches no address to their account, nor takes theirs', async () => {
    const attacker = await set('/account/email/code');
    const victim = await set('/account/email');
    const fields = { code: String(attacker.fields.code), csrf: String(victim.fields.csrf) };
    const { status } = await send({ ...victim, action: `${victim.action}/code`, fields });
    expect(status).toBe(422);
    const { db } = stage.runtime.deps;
    for (const { user, email } of [attacker.person, victim.person] as Person[]) {
      expect((await db('users').where({ id: user.id }).first()).email).toBe(email);
    }
  });

  test.each(['verify-email', 'code', 'new-password'])(
    'security 2: a session that was there before is not the one after (%s)',
    async (step) => {
      const scene = await inSignIn(step);
      const session = async () =>
        (await scene.visitor.jar.getCookies(stage.issuer)).find(
          ({ key }) => key === 'plinto_session',
        )?.value;
      await scene.visitor.open(`${stage.issuer}/device`);
      const before = await session();
      const { location } = await send(scene);
      await scene.visitor.open(new URL(location, stage.issuer).href, CALLBACK);
      const after = await session();
      expect(before).toBeDefined();
      expect(after).toBeDefined();
      expect(after).not.toBe(before);
    },
  );
});
