import { Transformer } from '@napi-rs/image';
import fc from 'fast-check';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readImageSize } from '../../src/account/profile/image-size.ts';
import type { User } from '../../src/users/store.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createRelyingParty } from '../support/relying-party.ts';
import { alertText, findForm, type Page, pageName, type Visitor } from '../support/visitor.ts';
import { eventsOf, openAccount } from './account.ts';
import { cameraJpeg, nestedWebp, pngBomb, twoHalves, webpBomb } from './images.ts';

let app: TestApp;
let ada: User;
let visitor: Visitor;
let page: Page;
let png: Buffer;
let recorded: number;

beforeAll(async () => {
  app = await startApp();
  ada = await app.createUser();
  ({ visitor, page } = await openAccount(app, 'ada@example.com', '/account/picture'));
  png = await twoHalves().png();
});
afterAll(() => app.stop());

beforeEach(async () => {
  const { db } = app.runtime.deps;
  await db('pictures').delete();
  await db('users').update({ picture: null });
  recorded = (await eventsOf(app, ada.id)).length;
});

function upload(
  file: Buffer,
  type = 'image/png',
  more: Record<string, string> = {},
): Promise<Page> {
  const { action, hidden } = findForm(page, '/picture');
  const body = new FormData();
  for (const [name, value] of Object.entries({ ...hidden, ...more })) body.append(name, value);
  body.append('picture', new Blob([new Uint8Array(file)], { type }), 'me.png');
  return visitor.open(action, undefined, { method: 'POST', body });
}

async function pictureUrl(): Promise<string> {
  const { picture } = await app.runtime.deps.db('users').where({ id: ada.id }).first();
  return picture;
}

async function fetchPicture(): Promise<Buffer> {
  return Buffer.from(await (await fetch(await pictureUrl())).arrayBuffer());
}

/** The colour at a place of a picture, each part as far as lossy compression lets one tell. */
async function colourAt(picture: Buffer, x: number, y: number): Promise<string> {
  const pixels = await new Transformer(picture).rawPixels();
  const size = pixels.length / 256 / 256;
  const [red = 0, green = 0, blue = 0] = pixels.subarray((y * 256 + x) * size);
  return [red, green, blue].map((part) => (part > 128 ? 'f' : '0')).join('');
}

describe('an uploaded picture', () => {
  test.each([
    ['PNG', () => twoHalves().png()],
    ['JPEG', () => twoHalves().jpeg(90)],
    ['WebP', () => twoHalves().webp(90)],
    ['WebP without loss', () => twoHalves().webpLossless()],
    ['small', () => twoHalves(20, 10).png()],
    ['tall', () => twoHalves(40, 800).png()],
  ])('%s becomes a square WebP that anybody can be shown', async (_, make) => {
    const saved = await upload(await make(), 'text/html');
    expect(saved.url).toBe(`${app.issuer}/account?done=picture`);
    expect(saved.html).toContain(`<img class="picture" src="${await pictureUrl()}"`);
    const answer = await fetch(await pictureUrl());
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/webp',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
    const picture = Buffer.from(await answer.arrayBuffer());
    expect(await new Transformer(picture).metadata()).toMatchObject({
      format: 'webp',
      width: 256,
      height: 256,
    });
    expect(await colourAt(picture, 20, 128)).toBe('f00');
    expect(await colourAt(picture, 236, 128)).toBe('00f');
  });

  test('is turned as the camera says, and says no more where that was', async () => {
    const file = await cameraJpeg();
    expect(file.includes('PLACE-OF-THE-PICTURE')).toBe(true);
    await upload(file, 'image/jpeg');
    const picture = await fetchPicture();
    expect(await colourAt(picture, 128, 20)).toBe('f00');
    expect(await colourAt(picture, 128, 236)).toBe('00f');
    expect(picture.includes('PLACE-OF-THE-PICTURE')).toBe(false);
    expect(picture.includes('Exif')).toBe(false);
  });

  test('is a claim of the profile', async () => {
    await upload(png);
    const party = await createRelyingParty(app, { scope: 'openid profile' });
    const tokens = await party.signIn({ scope: 'openid profile' });
    const info = await oidc.fetchUserInfo(party.config, tokens.access_token, ada.id);
    expect(info.picture).toBe(await pictureUrl());
    expect(info.picture).toMatch(new RegExp(`^${app.issuer}/pictures/[\\w-]{22}\\.webp$`));
  });

  test('takes the place of the one before, whose address leads nowhere', async () => {
    await upload(png);
    const before = await pictureUrl();
    await upload(await twoHalves(50, 500).png());
    expect(await pictureUrl()).not.toBe(before);
    expect((await fetch(before)).status).toBe(404);
    expect((await eventsOf(app, ada.id)).slice(recorded)).toEqual([
      'profile.updated',
      'profile.updated',
    ]);
  });

  test('can be removed, once however often that is asked', async () => {
    await upload(png);
    const url = await pictureUrl();
    const shown = await visitor.open(page.url);
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => visitor.submit(shown, '/picture/remove')),
    );
    for (const { url: at } of answers)
      expect(at).toBe(`${app.issuer}/account?done=picture_removed`);
    expect(await pictureUrl()).toBeNull();
    expect((await fetch(url)).status).toBe(404);
    expect((await eventsOf(app, ada.id)).slice(recorded)).toEqual([
      'profile.updated',
      'profile.updated',
    ]);
  });

  test('of two sent at once one is left', async () => {
    const other = await twoHalves(300, 300).webp();
    const answers = await Promise.all([upload(png), upload(other), upload(png), upload(other)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const rows = await app.runtime.deps.db('pictures').where({ user_id: ada.id });
    expect(rows.map(({ id }) => `${app.issuer}/pictures/${id}.webp`)).toEqual([await pictureUrl()]);
  });

  test('security 34: sent ten times at once it changes once', async () => {
    const answers = await Promise.all(Array.from({ length: 9 }, () => upload(png)));
    expect(new Set(answers.map(({ url }) => url))).toEqual(
      new Set([`${app.issuer}/account?done=picture`]),
    );
    expect((await eventsOf(app, ada.id)).slice(recorded)).toEqual(['profile.updated']);
  });
});

describe('security 26: refused with the reason, and nothing stored:', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
  test.each<[string, () => Buffer | Promise<Buffer>, number, RegExp]>([
    ['nothing', () => Buffer.alloc(0), 422, /Choose a file/],
    ['SVG', () => Buffer.from(svg), 422, /not an image we can read/],
    ['HTML', () => Buffer.from('<!doctype html><script>1</script>'), 422, /not an image/],
    [
      'GIF',
      () => Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64'),
      422,
      /not an image/,
    ],
    [
      'AVIF, which could be decoded',
      () => twoHalves(16, 16).avif({ speed: 10 }),
      422,
      /not an image/,
    ],
    ['the beginning of a PNG', () => png.subarray(0, 20), 422, /not an image/],
    ['a PNG cut short', () => png.subarray(0, 200), 422, /damaged/],
    ['a JPEG cut short', async () => (await twoHalves().jpeg()).subarray(0, 500), 422, /damaged/],
    ['a PNG of 2^31 by 2^31', () => pngBomb(2 ** 31 - 1, 2 ** 31 - 1), 422, /too many pixels/],
    ['a PNG of 41 megapixels', () => pngBomb(6400, 6400 + 7), 422, /too many pixels/],
    ['a WebP larger than its canvas', () => webpBomb(16383, 16383), 422, /too many pixels/],
    ['a PNG as wide as a line', () => pngBomb(60_000, 1), 422, /long and narrow/],
    ['a PNG as high as a line', () => pngBomb(1, 60_000), 422, /long and narrow/],
    ['a WebP with a frame like a line', () => webpBomb(16383, 16), 422, /long and narrow/],
    ['a WebP of chunks within chunks', () => nestedWebp(40), 422, /not an image/],
    ['a PNG that is smaller than it says', () => pngBomb(6000, 6000), 422, /damaged/],
    ['more than 5 MB', () => Buffer.alloc(5 * 1024 * 1024, 1), 413, /too large/],
  ])('%s', async (_, make, status, words) => {
    const refused = await upload(await make());
    expect([refused.status, pageName(refused)]).toEqual([status, 'account-picture']);
    expect(alertText(refused)).toMatch(words);
    expect(await app.runtime.deps.db('pictures')).toEqual([]);
  });

  test('whatever is done to an image', { timeout: 60_000 }, async () => {
    const originals = await Promise.all([
      twoHalves(64, 64).png(),
      cameraJpeg(),
      twoHalves(64, 64).webp(50),
    ]);
    const damage = fc.tuple(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
        maxLength: 12,
      }),
      fc.double({ min: 0.1, max: 1, noNaN: true }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async ([original, changes, length]) => {
        const file = Buffer.from(original.subarray(0, Math.ceil(original.length * length)));
        for (const [place, byte] of changes) file[Math.floor(place * file.length)] = byte;
        const { status } = await upload(file);
        expect([200, 422]).toContain(status);
      }),
      { numRuns: 60 },
    );
  });
});

test('no header is read past its end', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', 'ffd8', 'ffd8ffc0', '89504e470d0a1a0a'),
      fc.constantFrom('', 'RIFF\0\0\0\0WEBPVP8X', 'RIFF\0\0\0\0WEBPANMF', 'RIFF\0\0\0\0WEBPVP8L'),
      fc.uint8Array({ maxLength: 80 }),
      (hex, text, rest) => {
        const file = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from(text, 'latin1'), rest]);
        const size = readImageSize(file);
        expect(size === undefined || size.pixels > 0).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
});

test('security 25: an unknown field is refused by name', async () => {
  const refused = await upload(png, 'image/png', { user_id: 'somebody' });
  expect([refused.status, alertText(refused)]).toEqual([422, expect.stringContaining('user_id')]);
  expect(await pictureUrl()).toBeNull();
});

test.each([
  ['without a token', 'multipart/form-data; boundary=x', '--x--\r\n', 403],
  ['without a boundary', 'multipart/form-data', 'x', 400],
  ['that ends in the middle', 'multipart/form-data; boundary=x', '--x\r\nContent-Dis', 400],
  ['that is no form', 'image/png', 'x', 415],
  ['of the other kind', 'application/x-www-form-urlencoded', 'csrf=1', 415],
])('a form %s is refused', async (_, type, body, status) => {
  const headers = { 'content-type': type };
  const refused = await visitor.request(page.url, { method: 'POST', headers, body });
  expect(refused.status).toBe(status);
});

test.each([
  'x',
  '..%2F..%2Fetc%2Fpasswd',
  `${'A'.repeat(22)}.webp`,
  `${'A'.repeat(22)}`,
  '%27.webp',
])('there is no picture %s', async (name) => {
  expect((await fetch(`${app.issuer}/pictures/${name}`)).status).toBe(404);
});
