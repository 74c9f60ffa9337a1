import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import {
  forgetThrottles,
  openAccount,
  type Person,
  type Scene,
  type Stage,
  sceneOf,
  send,
  startStage,
} from './every-form.ts';
import { FORMS } from './form-scenes.ts';

const IN_ACCOUNT = Object.keys(FORMS).filter((path) => path.startsWith('/account'));

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});
beforeEach(() => forgetThrottles(stage));
afterAll(() => stage.stop());

const db = () => stage.runtime.deps.db;

/** Everything that is stored of somebody and isn't about when they were last here. */
async function readAll({ user }: Person): Promise<unknown[]> {
  const tables = ['passwords', 'pictures', 'one_time_codes', 'consents'];
  const rows = tables.map((table) => db()(table).where({ user_id: user.id }));
  return [await db()('users').where({ id: user.id }).first(), ...(await Promise.all(rows))];
}

/** Somebody else signs in to the browser, in which the first is signed in. */
async function takeOver(visitor: Visitor): Promise<Person> {
  const next = await stage.person();
  const url = authorizationUrl(stage, stage.clientId, { prompt: 'login' });
  const known = await visitor.open(url);
  const login = await visitor.submit(known, '/switch');
  const fields = { identifier: next.email, password: PASSWORD };
  const back = await visitor.submit(login, '/login', fields, CALLBACK);
  expect(back.url).toContain('code=');
  const account = await visitor.open(`${stage.issuer}/account`);
  expect(account.html).toContain(next.email);
  return next;
}

describe('security 24: a page left open does nothing to who signed in to the browser since:', () => {
  test.each(IN_ACCOUNT)('security 24: %s', async (path) => {
    const scene = (await FORMS[path]?.(stage)) as Scene & { person: Person };
    const next = await takeOver(scene.visitor);
    const people = [scene.person, next];
    const before = await Promise.all(people.map(readAll));
    const { status } = await send(scene);
    expect(status).toBe(403);
    expect(await Promise.all(people.map(readAll))).toEqual(before);
    expect(pageName(await scene.visitor.open(`${stage.issuer}/account`))).toBe('account');
  });
});

describe('security 24: what one person was in the middle of', () => {
  test.each(['email', 'phone'])(
    'security 24: is not the next one’s: a code for another %s',
    async (kind) => {
      const scene = (await FORMS[`/account/${kind}/code`]?.(stage)) as Scene & { person: Person };
      const next = await takeOver(scene.visitor);
      const before = await Promise.all([next, scene.person].map(readAll));
      const page = await scene.visitor.open(scene.action);
      expect(page.url).toBe(`${stage.issuer}/account/${kind}`);
      const { csrf = '' } = findForm(page, '/sign-out').hidden;
      const { code = '' } = scene.fields;
      for (const action of [scene.action, scene.action.replace('/code', '/resend')]) {
        await send({ ...scene, action, fields: code === '' ? { csrf } : { csrf, code } });
      }
      expect(await Promise.all([next, scene.person].map(readAll))).toEqual(before);
    },
  );
});

describe('security 24: ids of other people', () => {
  let victim: Person;
  let page: Page;
  let thief: { person: Person; visitor: Visitor; page: Page };

  beforeAll(async () => {
    victim = await stage.person();
    ({ page } = await openAccount(stage, victim, '/account/sessions'));
    await openAccount(stage, victim, '/account/sessions');
    const person = await stage.person();
    thief = { person, ...(await openAccount(stage, person, '/account/sessions')) };
    await openAccount(stage, person, '/account');
    thief.page = await thief.visitor.open(`${stage.issuer}/account/sessions`);
  });

  test('security 24: of events show none of them, as a place to go on from', async () => {
    const events = await db()('audit_events').where({ user_id: victim.user.id }).orderBy('id');
    for (const cursor of ['before', 'after']) {
      const query = new URLSearchParams({ [cursor]: events[0].id });
      const shown = await thief.visitor.open(`${stage.issuer}/account/activity?${query}`);
      expect(shown.status).toBe(200);
      expect(shown.html).not.toContain(victim.email);
      expect(shown.html).not.toContain(String(events[0].ip));
    }
  });

  test('security 24: of sessions, made up or not ids at all, are not found', async () => {
    const { visitor, page: own } = thief;
    const scene = sceneOf(visitor, own, '/sessions');
    const living = () => db()('oidc_sessions').where({ account_id: victim.user.id }).pluck('uid');
    const before = await living();
    const shown = [...page.html.matchAll(/name="session" value="([^"]+)"/g)].map(([, id]) => id);
    for (const session of [
      ...shown.filter((id) => id !== 'others'),
      ...before,
      '',
      'x',
      "' OR 1=1",
    ]) {
      const { status } = await send({
        ...scene,
        fields: { ...scene.fields, session: String(session) },
      });
      expect([session, status]).toEqual([session, 404]);
    }
    expect(await living()).toEqual(before);
    expect(before.length).toBe(2);
  });

  test('security 24: in the proof of a deletion prove nothing for others', async () => {
    const own = await thief.visitor.open(`${stage.issuer}/account/delete`);
    const scene = sceneOf(thief.visitor, own, '/delete');
    const fields = { ...scene.fields, person: victim.user.id, confirmation: victim.email };
    expect((await send({ ...scene, fields })).status).toBe(422);
    const outside = { ...scene, visitor: stage.browser(), fields };
    expect((await send(outside)).location).toContain('/authorize?');
    const rows = await db()('users').whereIn('id', [victim.user.id, thief.person.user.id]);
    expect(rows.map(({ delete_after }) => delete_after)).toEqual([null, null]);
  });
});
