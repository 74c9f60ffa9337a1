import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PASSWORD } from '../support/app.ts';
import { type Page, pageName, type Visitor } from '../support/visitor.ts';
import { BRANDING_PAGES } from './branding-scenes.ts';
import {
  forgetThrottles,
  listRoutes,
  type Person,
  type Scene,
  type Stage,
  send,
  startStage,
} from './every-form.ts';
import { FORMS } from './form-scenes.ts';
import { INVITATION_PAGES, INVITED_PAGES } from './invitation-scenes.ts';
import { MEMBER_FORMS, MEMBER_PAGES } from './member-scenes.ts';
import { ORGANIZATION_ROLE_PAGES } from './organization-role-scenes.ts';
import { ORGANIZATION_PAGES } from './organization-scenes.ts';

const SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{123457*8}}<%= 123457*8 %>';
/** What a person can call themselves, and their browser; the CSV of it must not be a formula. */
const FORMULA = '=HYPERLINK("https://evil.example")';

let stage: Stage;
let person: Person;
let visitor: Visitor;

beforeAll(async () => {
  stage = await startStage({ PRODUCT_NAME: `A & <b>B</b> ${'{{7*191}}'}` });
  person = await stage.person();
  const { db } = stage.runtime.deps;
  const names = { name: SCRIPT, given_name: SCRIPT, family_name: SCRIPT, nickname: FORMULA };
  await db('users')
    .where({ id: person.user.id })
    .update({
      ...names,
      locale: SCRIPT,
      zoneinfo: SCRIPT,
      metadata: JSON.stringify({ attributes: { department: SCRIPT } }),
    });
  visitor = stage.browser();
  const login = await visitor.open(`${stage.issuer}/account`);
  await visitor.submit(login, '/login', { identifier: person.email, password: PASSWORD });
  const hostile = ['=cmd|calc!A1/1.0 (x)', `${SCRIPT}/1.0`, `@SUM(1)/1 ${'x'.repeat(7000)}`];
  for (const agent of hostile) {
    const other = stage.browser();
    const asked = await other.open(`${stage.issuer}/account`, undefined, {
      headers: { 'user-agent': agent },
    });
    const scene: Scene = {
      visitor: other,
      action: `${asked.url}/login`,
      fields: {
        csrf: /name="csrf" value="([^"]+)"/.exec(asked.html)?.[1] ?? '',
        identifier: person.email,
        password: PASSWORD,
      },
    };
    expect((await send(scene, { 'user-agent': agent })).status).toBe(303);
  }
  const { client } = await stage.createClient({ firstParty: false, name: SCRIPT });
  await db('consents').insert({ user_id: person.user.id, client_id: client.id, scopes: '{email}' });
});
beforeEach(() => forgetThrottles(stage));
afterAll(() => stage.stop());

/** A form at whose page somebody is, opened by its scene. */
const from = (path: string, page: (scene: Scene) => string) => async (): Promise<Page> => {
  const scene = (await FORMS[path]?.(stage)) as Scene;
  return scene.visitor.open(page(scene));
};
const sent = (path: string, page: (scene: Scene) => string) => async (): Promise<Page> => {
  const scene = (await FORMS[path]?.(stage)) as Scene;
  await send(scene);
  return scene.visitor.open(page(scene));
};
const inInteraction = (scene: Scene) => scene.action.replace(/\/[^/]+$/, '');

/** Pages that need more than to be signed in; what isn't here is opened by its path. */
const PAGES: Record<string, () => Promise<Page>> = {
  '/interaction/:uid': from('/interaction/:uid/login', inInteraction),
  '/interaction/:uid/:page': sent(
    '/interaction/:uid/email-code',
    (s) => `${inInteraction(s)}/code`,
  ),
  '/invitation/:token': from('/invitation/:token', ({ action }) => action),
  '/invitation/:token/done': sent('/invitation/:token', ({ action }) => `${action}/done`),
  '/reset-password/:token': from('/reset-password/:token', ({ action }) => action),
  '/reset-password/:token/done': sent('/reset-password/:token', ({ action }) => `${action}/done`),
  '/lost-factors/:token': from('/lost-factors/:token', ({ action }) => action),
  '/account/email/code': from('/account/email/code', ({ action }) => action),
  '/account/phone/code': from('/account/phone/resend', (s) => s.action.replace('resend', 'code')),
  ...Object.fromEntries(
    ['domains', 'policies'].map((name) => {
      const path = `/account/organizations/:organization/${name}`;
      return [path, from(path, ({ action }) => action)];
    }),
  ),
  ...Object.fromEntries(
    ORGANIZATION_PAGES.map((path) => [path, from(path, ({ action }) => action)]),
  ),
  ...Object.fromEntries(INVITATION_PAGES.map((path) => [path, from(path, ({ action }) => action)])),
  ...Object.fromEntries(
    INVITED_PAGES.map((path) => [`${path}/done`, sent(path, ({ action }) => `${action}/done`)]),
  ),
  ...Object.fromEntries(
    Object.entries(MEMBER_PAGES).map(([path, page]) => [
      path,
      from(Object.keys(MEMBER_FORMS)[0] ?? '', page),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(ORGANIZATION_ROLE_PAGES).map(([path, page]) => [
      path,
      from('/account/organizations/:organization/roles/:role', page),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(BRANDING_PAGES).map(([path, page]) => [path, () => page(stage)]),
  ),
  '/pictures/:name': async () => {
    const scene = (await FORMS['/account/picture']?.(stage)) as Scene & { person: Person };
    await send(scene);
    const { id } = scene.person.user;
    const row = await stage.runtime.deps.db('users').where({ id }).first('picture');
    return scene.visitor.open(row.picture);
  },
};
/** Files that everybody may have, and keep. */
const KEPT = /^\/(pictures|logos|branding)\//;
/** Redirects, and pages that are there only before anybody is (test/setup). */
const OTHERS = [
  '/account/callback',
  '/.well-known/change-password',
  '/.well-known/passkey-endpoints',
  '/setup/:token',
  '/setup/:token/done',
];
const ACCOUNT = [
  '/account',
  '/account/picture',
  '/account/email',
  '/account/phone',
  '/account/password',
  '/account/password/change',
  '/account/passkeys',
  '/account/totp',
  '/account/recovery-codes',
  '/account/recovery-codes/new',
  '/account/message-codes',
  '/account/devices',
  '/account/sessions',
  '/account/apps',
  '/account/activity',
  '/account/activity.csv',
  '/account/activity.json',
  '/account/data',
  '/account/data/download',
  '/account/delete',
  '/account/deleted',
  '/account/organizations',
  '/account/organizations/new',
];

const open = (path: string): Promise<Page> =>
  PAGES[path]?.() ?? visitor.open(`${stage.issuer}${path}`);

function expectInert(html: string): void {
  const markup = html.replace(/="[^"]*"/g, '=""');
  expect(markup).not.toMatch(/<script>alert|<img src=x|<b>B|<[^>]+\son\w+=/i);
  expect(html).not.toMatch(/987656|1337/);
}

test('security 10: every page that a router has is looked at here', async () => {
  const routes = await listRoutes(stage);
  const gets = routes.filter((r) => r.startsWith('GET ')).map((r) => r.slice('GET '.length));
  expect(gets.toSorted()).toEqual([...ACCOUNT, ...Object.keys(PAGES), ...OTHERS].toSorted());
});

describe('security 10: every page and file carries the headers, and stays out of caches:', () => {
  test.each([...ACCOUNT, ...Object.keys(PAGES)])('security 10: %s', async (path) => {
    const { status, headers } = await open(path);
    expect(status).toBe(200);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('access-control-allow-origin')).toBeNull();
    const cached = KEPT.test(path) ? 'public, max-age=31536000, immutable' : 'no-store';
    expect(headers.get('cache-control')).toBe(cached);
    if (/\.(csv|json)$|download$/.test(path)) {
      expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+"$/);
    }
    if (KEPT.test(path)) {
      expect(headers.get('content-type')).toMatch(/^(image\/webp|text\/css; charset=utf-8)$/);
      expect(headers.get('set-cookie')).toBeNull();
    }
  });
});

describe('security 13: what people call themselves, their browser and their apps is text:', () => {
  test.each(ACCOUNT.filter((path) => !/csv|json|download/.test(path)))(
    'security 13: %s',
    async (path) => {
      const page = await open(path);
      expect(pageName(page)).toBeDefined();
      expectInert(page.html);
    },
  );

  test('security 13: the names do reach the pages', async () => {
    expect((await open('/account')).html).toContain('&lt;script&gt;alert(1)');
    expect((await open('/account/apps')).html).toContain('&lt;script&gt;alert(1)');
  });

  test('security 13: no cell of a CSV is a formula, and no field leaves its quotes', async () => {
    const { html: csv } = await open('/account/activity.csv');
    const lines = csv.trimEnd().split('\r\n');
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      expect(line).toMatch(/^"(?:[^"]|"")*"(?:,"(?:[^"]|"")*"){6}$/);
      expect(line).not.toMatch(/(^|,)"[=+\-@\t\r]/);
    }
  });

  test('security 13: mails about browsers say nothing that a browser wants them to', async () => {
    const mails = stage.mailbox.messages.filter(({ recipients }) =>
      recipients.includes(person.email),
    );
    expect(mails.length).toBeGreaterThan(1);
    for (const mail of mails) {
      expect(mail.recipients).toEqual([person.email]);
      expectInert(String(mail.html));
      expect(`${mail.subject}${mail.text}`).not.toMatch(/alert\(1\)|x{500}/);
    }
  });

  test.each([SCRIPT, '__proto__', 'constructor', 'a.b', 'a:b', '{{7*191}}', '$t(login.title)'])(
    'security 13: ?done=%s says nothing',
    async (done) => {
      const page = await visitor.open(`${stage.issuer}/account?${new URLSearchParams({ done })}`);
      expect(page.status).toBe(200);
      expectInert(page.html);
      expect(page.html).not.toContain('class="notice"');
    },
  );

  test('security 5: nobody else’s address leads to a page with anybody’s data', async () => {
    const stranger = stage.browser();
    for (const path of ACCOUNT.filter((one) => one !== '/account/deleted')) {
      const response = await stranger.request(`${stage.issuer}${path}`);
      expect([response.status, await response.text()]).not.toContain(person.email);
      expect(response.status).toBe(303);
    }
  });
});
