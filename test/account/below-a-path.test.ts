import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, startApp, type TestApp } from '../support/app.ts';
import { createVisitor, findForm, pageName } from '../support/visitor.ts';
import { openAccount } from './account.ts';
import { twoHalves } from './images.ts';

let app: TestApp;

beforeAll(async () => {
  const port = await freePort();
  app = await startApp({ ISSUER: `http://localhost:${port}/id/acme`, PORT: String(port) });
  await app.createUser();
});
afterAll(() => app.stop());

test('the account works below an issuer with a path', async () => {
  const home = await createVisitor().open(app.issuer);
  expect(home.html).toContain(`href="${app.issuer}/account"`);
  const { visitor, page } = await openAccount(app, 'ada@example.com');
  expect(page.url).toBe(`${app.issuer}/account`);
  for (const [, path] of page.html.matchAll(/<a href="([^"]+)"/g)) {
    expect(path).toMatch(/^\/id\/acme\/account/);
    expect((await visitor.open(new URL(String(path), app.issuer).href)).status, path).toBe(200);
  }
  const saved = await visitor.submit(page, '/account', { nickname: 'Ada' });
  expect(saved.url).toBe(`${app.issuer}/account?done=profile`);

  const { action, hidden } = findForm(
    await visitor.open(`${app.issuer}/account/picture`),
    '/picture',
  );
  const body = new FormData();
  body.append('csrf', String(hidden.csrf));
  body.append('picture', new Blob([new Uint8Array(await twoHalves().png())]), 'me.png');
  const shown = await visitor.open(action, undefined, { method: 'POST', body });
  const picture = /<img class="picture" src="([^"]+)"/.exec(shown.html)?.[1] ?? '';
  expect(picture.startsWith(`${app.issuer}/pictures/`)).toBe(true);
  expect((await fetch(picture)).headers.get('content-type')).toBe('image/webp');

  const change = await visitor.request(`${app.issuer}/.well-known/change-password`);
  expect(change.headers.get('location')).toBe('/id/acme/account/password/change');
  const out = await visitor.submit(shown, '/sign-out');
  expect([pageName(out), out.url]).toEqual(['signed-out', `${app.issuer}/logout/success`]);
  expect(pageName(await visitor.open(`${app.issuer}/account`))).toBe('login');
});
