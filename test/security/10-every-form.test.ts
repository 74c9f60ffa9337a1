import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { revokeApp } from '../../src/account/apps/revoke-app.ts';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { suspendUser } from '../../src/users/set-status.ts';
import { linkIn } from '../support/mailbox.ts';
import {
  EVIL,
  forgetThrottles,
  listRoutes,
  type Person,
  readEverything,
  type Scene,
  type Stage,
  send,
  startStage,
} from './every-form.ts';
import { beginSignIn, FORMS, OTHER_FORMS } from './form-scenes.ts';

const PATHS = Object.keys(FORMS);
const IN_SIGN_IN = PATHS.filter((path) => path.startsWith('/interaction/'));
const IN_ACCOUNT = PATHS.filter((path) => path.startsWith('/account'));

let stage: Stage;
/** The token of another person's forms in another browser. */
let foreignToken: string;

beforeAll(async () => {
  stage = await startStage();
  foreignToken = String((await set('/account')).fields.csrf);
});
beforeEach(() => forgetThrottles(stage));
afterAll(() => stage.stop());

async function set(path: string): Promise<Scene> {
  const scene = await FORMS[path]?.(stage);
  if (scene === undefined) throw new Error(`no form at ${path}`);
  return scene;
}

/** Forms that nothing came of, which are as good as new. */
const untouched = new Map<string, Scene>();

async function share(path: string): Promise<Scene> {
  const scene = untouched.get(path) ?? (await set(path));
  untouched.set(path, scene);
  return scene;
}

const find = (id: string) => stage.runtime.deps.db('users').where({ id }).first();

test('security 10: every form that a router has is tried here', async () => {
  const routes = await listRoutes(stage);
  const posts = routes.filter((r) => r.startsWith('POST ')).map((r) => r.slice('POST '.length));
  expect(posts.toSorted()).toEqual([...PATHS, ...OTHER_FORMS].toSorted());
});

describe('security 10: a form that isn’t from our page is refused and changes nothing:', () => {
  test.each(PATHS)('security 10: %s', async (path) => {
    const scene = await share(path);
    const before = await readEverything(stage);
    const { csrf: _, ...bare } = scene.fields;
    const tries: [string, Scene['fields'], Record<string, string>][] = [
      ['no token', bare, {}],
      ['an empty token', { ...bare, csrf: '' }, {}],
      ['a token of somebody else', { ...bare, csrf: foreignToken }, {}],
      ['another site', scene.fields, { 'sec-fetch-site': 'cross-site' }],
      ['a sibling site', scene.fields, { 'sec-fetch-site': 'same-site' }],
      ['another origin', scene.fields, { origin: `https://${EVIL}` }],
      ['a hidden origin', scene.fields, { origin: 'null' }],
    ];
    for (const [what, fields, headers] of tries) {
      const { status, location } = await send({ ...scene, fields }, headers);
      expect([status, location], what).toEqual([403, '']);
    }
    expect(await readEverything(stage)).toEqual(before);
  });
});

describe('security 2: a form of a sign-in is refused from another browser:', () => {
  test.each(IN_SIGN_IN)('security 2: %s', async (path) => {
    const scene = await share(path);
    const { visitor } = await beginSignIn(stage);
    const before = await readEverything(stage);
    for (const other of [visitor, stage.browser()]) {
      const { status, location, html } = await send({ ...scene, visitor: other });
      expect([status, location]).toEqual([400, '']);
      expect(html).not.toContain('name="csrf"');
    }
    expect(await readEverything(stage)).toEqual(before);
  });
});

describe('security 24: somebody else’s form sent as one’s own does nothing to them:', () => {
  test.each(IN_ACCOUNT)('security 24: %s', async (path) => {
    const victim = await set(path);
    const thief = await set('/account');
    const id = String(victim.person?.user.id);
    const rows = async () =>
      Promise.all(
        ['passwords', 'pictures', 'one_time_codes', 'sign_ins', 'consents'].map((table) =>
          stage.runtime.deps.db(table).where({ user_id: id }),
        ),
      );
    const before = [await find(id), await rows()];
    const fields = { ...victim.fields, csrf: String(thief.fields.csrf) };
    const { status } = await send({ ...victim, fields, visitor: thief.visitor });
    expect(status).toBeLessThan(500);
    expect([await find(id), await rows()]).toEqual(before);
  });
});

/** What no form has, or only one: each would be worth something to whoever could set it. */
const PROTECTED = {
  id: '00000000-0000-4000-8000-000000000000',
  user_id: '00000000-0000-4000-8000-000000000000',
  administrator: 'true',
  status: 'deactivated',
  email_verified_at: '2020-01-01',
  phone_number_verified_at: '2020-01-01',
  phone_number: '+15555550123',
  metadata: '{"admin":true}',
  terms_accepted_at: '2020-01-01',
  delete_after: '2020-01-01',
  created_at: '2020-01-01',
  picture: `https://${EVIL}/x.png`,
  must_change: 'false',
  proofs: '[]',
  step: 'done',
  purpose: 'change-email',
  request: 'x',
  address: `owner@${EVIL}`,
  redirect: `https://${EVIL}`,
  redirect_uri: `https://${EVIL}`,
  done: `https://${EVIL}`,
  __proto__x: 'x',
};

describe('security 25: fields that a form doesn’t have change nothing:', () => {
  test.each(PATHS)('security 25: %s', async (path) => {
    const scene = await set(path);
    const { db } = stage.runtime.deps;
    const isHis = (id: string) => id === scene.person?.user.id;
    const others = async () => (await db('users').orderBy('id')).filter(({ id }) => !isHis(id));
    const before = await others();
    const { status, location } = await send({
      ...scene,
      fields: { ...PROTECTED, ...scene.fields },
    });
    expect(status).toBeLessThan(500);
    expect(location).not.toContain(EVIL);
    const now = await others();
    expect(now.slice(0, before.length)).toEqual(before);
    const made = now.slice(before.length);
    const { user } = scene.person ?? {};
    const all = user === undefined ? made : [...made, await find(user.id)];
    for (const row of all) {
      const { status: state, administrator, metadata, address } = row;
      expect({ state, administrator, metadata, address }).toEqual({
        state: 'active',
        administrator: false,
        metadata: {},
        address: null,
      });
      expect(JSON.stringify(row)).not.toContain(EVIL);
      expect(JSON.stringify(row)).not.toContain('2020-01-01');
      expect(row.phone_number).not.toBe(PROTECTED.phone_number);
    }
  });
});

describe('security 7: nothing comes of the form of somebody who is suspended:', () => {
  const ofSomebody = PATHS.filter(
    (path) => !/register|verify-email|resend-sign-up|^\/join/.test(path),
  );

  test.each(ofSomebody)('security 7: %s', async (path) => {
    const scene = await set(path);
    const { person } = scene;
    if (person === undefined) throw new Error('the form is nobody’s');
    const { db } = stage.runtime.deps;
    await transaction(db, (trx) => suspendUser(trx, SYSTEM, person.user));
    const rows = async () => [
      await find(person.user.id),
      await db('passwords').where({ user_id: person.user.id }),
      await db('pictures').where({ user_id: person.user.id }),
      await db('consents').where({ user_id: person.user.id }),
    ];
    const before = await rows();
    const { status, location } = await send(scene);
    expect(status).toBeLessThan(500);
    if (location !== '') {
      const next = await scene.visitor.open(
        new URL(location, scene.action).href,
        'http://127.0.0.1',
      );
      expect(next.url).not.toContain('code=');
    }
    expect(await rows()).toEqual(before);
    expect(await db('oidc_sessions').where({ account_id: person.user.id })).toEqual([]);
  });
});

/** Those that only lead on or send a code, which the tests of each count. */
const SILENT = PATHS.filter((path) =>
  /(switch|register|(?<!:invitation\/)resend(-sign-up)?|account\/(email|phone|data)|activity\/download)$/.test(
    path,
  ),
);

describe('security 34: sent ten times at once a form has one effect and leads to one place:', () => {
  test.each(PATHS)('security 34: %s', async (path) => {
    // The code of an authenticator app is too old by now where this file took its time.
    const scene = await (/totp$/.test(path) ? set(path) : share(path));
    const { db } = stage.runtime.deps;
    const [last] = await db('audit_events').orderBy('id', 'desc').limit(1);
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(scene)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]));
    expect(new Set(answers.map(({ location }) => location)).size).toBe(1);
    const events = await db('audit_events').where('id', '>', last.id).pluck('type');
    expect(events.length > 0).toBe(!SILENT.includes(path));
    expect(events.toSorted()).toEqual([...new Set(events)].toSorted());
  });
});

test('security 34: an app is disconnected once by two who began before either was done', async () => {
  const { user } = (await set('/account/apps')).person as Person;
  const { db } = stage.runtime.deps;
  const revoke = (trx: Trx) => revokeApp(trx, SYSTEM, user.id, stage.foreignId);
  const second = await transaction(db, async (trx) => {
    await trx.raw('SELECT now()');
    expect(await transaction(db, revoke)).toBe(true);
    return revoke(trx);
  });
  expect(second).toBe(false);
});

test('security 11: no mail of all that was asked for with forged hosts names them', () => {
  const { messages } = stage.mailbox;
  const subjects = new Set(messages.map(({ subject }) => subject));
  expect(subjects.size).toBeGreaterThan(6);
  for (const mail of messages) {
    expect(`${mail.source}${mail.text}${mail.html}`).not.toContain(EVIL);
    if (/https?:/.test(mail.text ?? '')) {
      expect(linkIn(mail).startsWith(`${stage.issuer}/`)).toBe(true);
    }
  }
});
