import { Transformer } from '@napi-rs/image';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { findBranding } from '../../src/organizations/branding/find-branding.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import {
  insertMembership,
  insertMembershipRoles,
  type Organization,
} from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { cameraJpeg, pngBomb, twoHalves } from '../account/images.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import {
  alertText,
  createVisitor,
  findForm,
  type Page,
  pageName,
  type Visitor,
} from '../support/visitor.ts';

const NAME = 'Acme & <b>Söhne</b>';
const PATH = '/account/organizations/acme/branding';

let app: TestApp;
let acme: Organization;
let ada: User;
let owner: Visitor;
let member: Visitor;
let page: Page;

beforeAll(async () => {
  app = await startApp();
  ada = await app.createUser();
  const mel = await app.createUser({ email: 'mel@example.com' });
  acme = await transaction(app.runtime.deps.db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, {
      ...{ name: NAME, slug: 'acme', ownerId: ada.id },
    });
    if (!made.ok) throw new Error(made.reason);
    await insertMembership(trx, made.organization.id, mel.id, 'added');
    await insertMembershipRoles(trx, made.organization.id, mel.id, [BUILTIN_ROLES.member]);
    return made.organization;
  });
  ({ visitor: owner, page } = await openAccount(app, 'ada@example.com', PATH));
  ({ visitor: member } = await openAccount(app, 'mel@example.com'));
});
afterAll(() => app.stop());

beforeEach(async () => {
  const { db } = app.runtime.deps;
  await db('organization_logos').delete();
  await db('organizations').update({ accent: null, delete_after: null });
  page = await owner.open(`${app.issuer}${PATH}`);
});

const branding = (named = 'acme') => findBranding(app.runtime.deps.db, named);
const urlOf = async (what: 'logo' | 'css') => `${app.issuer}${(await branding())?.[what]}`;
const changes = () =>
  app.runtime.deps.db('audit_events').where({ type: 'organization.updated' }).orderBy('id');

function upload(file: Buffer, more: Record<string, string> = {}, from = page): Promise<Page> {
  const { action, hidden } = findForm(from, '/branding/logo');
  const body = new FormData();
  for (const [name, value] of Object.entries({ ...hidden, ...more })) body.append(name, value);
  body.append('logo', new Blob([new Uint8Array(file)], { type: 'image/png' }), 'logo.svg');
  return owner.open(action, undefined, { method: 'POST', body });
}

async function logoSize() {
  const answer = await fetch(await urlOf('logo'));
  const content = Buffer.from(await answer.arrayBuffer());
  const { width, height, format } = await new Transformer(content).metadata();
  return { width, height, format, content, headers: Object.fromEntries(answer.headers) };
}

describe('a logo', () => {
  test.each([
    ['wide', [2048, 256], [512, 64]],
    ['square', [600, 600], [128, 128]],
    ['tall', [100, 1000], [13, 128]],
    ['small', [30, 20], [30, 20]],
  ])('that is %s keeps its proportions', async (_, [width, height], stored) => {
    const saved = await upload(await twoHalves(width, height).png());
    expect(saved.url).toBe(`${app.issuer}${PATH}?done=organization_logo`);
    const size = await logoSize();
    expect([size.width, size.height, size.format]).toEqual([...stored, 'webp']);
    expect(size.headers).toMatchObject({
      'content-type': 'image/webp',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
    expect(size.headers).not.toHaveProperty('set-cookie');
    expect(saved.html).toContain(`<img src="${(await branding())?.logo}"`);
  });

  test('stays transparent where it was', async () => {
    const clear = Buffer.alloc(40 * 40 * 4);
    await upload(await Transformer.fromRgbaPixels(clear, 40, 40).png());
    const pixels = await new Transformer((await logoSize()).content).rawPixels();
    expect([pixels.length, pixels[3]]).toEqual([40 * 40 * 4, 0]);
  });

  test('is turned as the camera says, and says no more where that was', async () => {
    await upload(await cameraJpeg());
    const { width, height, content } = await logoSize();
    expect([width, height]).toEqual([85, 128]);
    expect(content.includes('PLACE-OF-THE-PICTURE')).toBe(false);
  });

  test('that replaces another has another address, and the first leads nowhere', async () => {
    await upload(await twoHalves().png());
    const first = await urlOf('logo');
    await upload(await twoHalves(300, 20).png());
    expect(await urlOf('logo')).not.toBe(first);
    expect((await fetch(first)).status).toBe(404);
  });

  test('sent twice is one change, and so is its removal', async () => {
    const before = (await changes()).length;
    const png = await twoHalves().png();
    await upload(png);
    const address = await urlOf('logo');
    const shown = await upload(png);
    expect(await urlOf('logo')).toBe(address);
    const gone = await owner.submit(shown, '/branding/logo/remove');
    expect(gone.url).toBe(`${app.issuer}${PATH}?done=organization_logo_removed`);
    expect(gone.html).not.toContain('/branding/logo/remove');
    await owner.submit(shown, '/branding/logo/remove');
    expect((await branding())?.logo).toBeUndefined();
    const made = (await changes()).slice(before);
    expect(made.map(({ actor, data }) => [actor, data])).toEqual(
      [1, 2].map(() => [`user:${ada.id}`, { fields: ['logo'] }]),
    );
  });

  test.each([
    ['SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 422, /no PNG/],
    ['nothing', () => Buffer.alloc(0), 422, /Choose an image/],
    ['a bomb', () => pngBomb(60_000, 60_000), 422, /too many pixels/],
    ['a line', () => twoHalves(400, 4).png(), 422, /too long/],
    ['half a file', async () => (await twoHalves().png()).subarray(0, 200), 422, /can’t be read/],
    ['6 MB', () => Buffer.alloc(6 * 1024 * 1024), 413, /too large/],
  ])('that is %s is refused', async (_, make, status, words) => {
    const refused = await upload(await make());
    expect([refused.status, pageName(refused)]).toEqual([status, 'organization-branding']);
    expect(alertText(refused)).toMatch(words);
    expect(await app.runtime.deps.db('organization_logos')).toEqual([]);
  });

  test('security 25: no other field is taken', async () => {
    const refused = await upload(await twoHalves().png(), { organization_id: 'x' });
    expect([refused.status, alertText(refused)]).toEqual([
      422,
      expect.stringContaining('organization_id'),
    ]);
  });

  test.each(['x', '..%2F..%2Fetc%2Fpasswd', `${'A'.repeat(22)}.webp`, `${'A'.repeat(22)}`])(
    'there is none at /logos/%s',
    async (name) => {
      expect((await fetch(`${app.issuer}/logos/${name}`)).status).toBe(404);
    },
  );
});

describe('a colour', () => {
  const save = (fields: Record<string, string>) => owner.submit(page, '/branding/accent', fields);
  const stored = async () =>
    (await app.runtime.deps.db('organizations').where({ id: acme.id }).first()).accent;

  test.each([
    ['typed', null, { accent: ' #0B6E4F ' }, '#0b6e4f'],
    ['typed short', null, { accent: '06f' }, '#0066ff'],
    ['picked', null, { picked: '#0b6e4f' }, '#0b6e4f'],
    ['typed and picked', null, { accent: '#0b6e4f', picked: '#aa0000' }, '#0b6e4f'],
    ['picked in place of another', '#aa0000', { picked: '#0b6e4f' }, '#0b6e4f'],
    ['left as it is', '#aa0000', {}, '#aa0000'],
    ['left out from the start', null, {}, null],
    ['emptied', '#aa0000', { accent: '' }, null],
  ])('that is %s is %s, with %j, then %s', async (_, before, fields, after) => {
    await app.runtime.deps.db('organizations').update({ accent: before });
    page = await owner.open(page.url);
    const { hidden } = findForm(page, '/branding/accent');
    const shown = hidden.shown ?? '';
    const saved = await save({ accent: shown, picked: shown || '#2451b2', ...fields });
    expect(saved.url).toBe(`${app.issuer}${PATH}?done=organization_accent`);
    expect(await stored()).toBe(after);
  });

  test('that is too light is refused, and the nearest that works is one button away', async () => {
    const refused = await save({ accent: '#ffcc00', picked: '#2451b2' });
    expect(refused.status).toBe(422);
    expect(alertText(refused)).toMatch(/#ffcc00 is too light.*#b38f00/);
    expect(await stored()).toBeNull();
    const offered = { accent: '#b38f00', picked: '#b38f00' };
    for (const value of new Set(Object.values(offered))) {
      expect(refused.html.split(`value="${value}"`)).toHaveLength(4);
    }
    await owner.submit(refused, '/branding/accent', offered);
    expect(await stored()).toBe('#b38f00');
  });

  test.each(['red', '#12345', 'url(//evil)', '"><script>', 'x'.repeat(5000)])(
    'that is no colour (%#) is refused and shown again',
    async (accent) => {
      const refused = await save({ accent, picked: '#2451b2' });
      expect(refused.status).toBe(422);
      expect(alertText(refused)).toContain('no colour');
      expect(refused.html).not.toContain('<script>');
      expect(refused.html.length).toBeLessThan(12_000);
      expect(await stored()).toBeNull();
    },
  );

  test('is set by a stylesheet for everybody, kept under the version that it is', async () => {
    await save({ accent: '#0b6e4f', picked: '#2451b2' });
    const url = await urlOf('css');
    const answer = await fetch(url);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.text()).toContain('.branded{--accent:#0b6e4f;');
    await app.runtime.deps.db('organizations').update({ accent: '#aa0000' });
    const old = await fetch(url);
    expect(old.headers.get('cache-control')).toBe('no-cache');
    expect(await old.text()).toContain('--accent:#aa0000;');
    expect(await urlOf('css')).not.toBe(url);
  });

  test('has no stylesheet where there is none', async () => {
    const of = (id: string, name: string) => fetch(`${app.issuer}/branding/${id}/${name}`);
    const version = '0123456789ab';
    const nobody = '00000000-0000-7000-8000-00000000000a';
    for (const [id, name] of [
      [acme.id, `${version}.css`],
      [nobody, `${version}.css`],
      ['acme', `${version}.css`],
      [acme.id, 'x.css'],
      [acme.id, `${version}.js`],
      ["x'--", `${version}.css`],
    ]) {
      expect((await of(String(id), String(name))).status, `${id} ${name}`).toBe(404);
    }
  });
});

describe('what sign-in pages wear', () => {
  test('is found by slug and by id, and not for one that is unknown or being deleted', async () => {
    expect(await branding()).toEqual({ name: NAME });
    await app.runtime.deps.db('organizations').update({ accent: '#0b6e4f' });
    await upload(await twoHalves().png());
    const found = await branding();
    expect(found).toEqual({
      name: NAME,
      logo: expect.stringMatching(/^\/logos\/[\w-]{22}\.webp$/),
      css: expect.stringMatching(new RegExp(`^/branding/${acme.id}/[\\da-f]{12}\\.css$`)),
    });
    expect(await branding(acme.id)).toEqual(found);
    for (const unknown of ['nobody', '', 'a\0b', '00000000-0000-7000-8000-00000000000a', 'ACME']) {
      expect(await branding(unknown)).toBeUndefined();
    }
    await app.runtime.deps.db('organizations').update({ delete_after: '2099-01-01' });
    expect(await branding()).toBeUndefined();
  });
});

describe('a sign-in page', () => {
  const begin = async (organization: string) => {
    const { client } = await app.createClient();
    const visitor = createVisitor();
    return {
      visitor,
      login: await visitor.open(authorizationUrl(app, client.id, { organization })),
    };
  };

  test('wears what the organization that an app asks for has, until the last step', async () => {
    await app.runtime.deps.db('organizations').update({ accent: '#0b6e4f' });
    await upload(await twoHalves().png());
    const { logo, css } = (await branding()) ?? {};
    const { visitor, login } = await begin('acme');
    const wrong = { identifier: 'ada@example.com', password: 'not it' };
    const refused = await visitor.submit(login, '/login', wrong);
    for (const { html } of [login, refused]) {
      expect(html).toContain(`<link rel="stylesheet" href="${css}">`);
      expect(html).toContain(`<img src="${logo}" alt="Acme &amp; &lt;b&gt;Söhne&lt;/b&gt;">`);
      expect(html).toMatch(/<title>[^<]*Sign in · Acme &amp; &lt;b&gt;Söhne&lt;\/b&gt;<\/title>/);
      expect(html).not.toContain('<b>Söhne');
    }
    expect(alertText(refused)).not.toBe('');
  });

  test.each(['nobody', 'acme'])('is as ever for one that has or is nothing: %s', async (named) => {
    const { html } = (await begin(named)).login;
    expect(html).toContain('<title>Sign in · Plinto</title>');
    expect(html).not.toMatch(/branded|Acme|<img/);
  });
});

describe('the page', () => {
  test('says in text what an organization calls itself', async () => {
    expect(page.html).toContain('Acme &amp; &lt;b&gt;Söhne&lt;/b&gt;');
    expect(page.html).not.toContain('<b>Söhne');
  });

  test('is not for members who may not change it, nor are its forms', async () => {
    expect((await member.open(`${app.issuer}${PATH}`)).status).toBe(403);
    const { hidden } = findForm(await member.open(`${app.issuer}/account`), '/account');
    for (const form of ['/accent', '/logo/remove']) {
      const body = new URLSearchParams({ ...hidden, accent: '#aa0000' });
      const url = `${app.issuer}${PATH}${form}`;
      expect((await member.request(url, { method: 'POST', body })).status).toBe(403);
    }
    expect((await app.runtime.deps.db('organizations').first()).accent).toBeNull();
  });
});
