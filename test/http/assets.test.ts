import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Koa from 'koa';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { createAssets } from '../../src/http/assets.ts';

const publicDir = join(import.meta.dirname, '../../views/public');
const { version, middleware } = createAssets({ publicDir, basePath: '/tenant' });
const app = new Koa().use(middleware).use((ctx) => {
  ctx.body = 'next';
});
const get = (path: string) => request(app.callback()).get(path);

describe('assets', () => {
  test('are kept for good under their version and checked by etag', async () => {
    const first = await get(`/tenant/assets/${version}/plinto.css`);
    expect(first.status).toBe(200);
    expect(first.headers['content-type']).toBe('text/css; charset=utf-8');
    expect(first.headers['content-encoding']).toBe('gzip');
    expect(first.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    const etag = String(first.headers.etag);
    const again = await get(`/tenant/assets/${version}/plinto.css`).set('If-None-Match', etag);
    expect(again.status).toBe(304);
  });

  test('are smaller for a browser that takes brotli', async () => {
    const path = `/tenant/assets/${version}/plinto.css`;
    const headOf = (encodings: string) =>
      request(app.callback()).head(path).set('Accept-Encoding', encodings);
    const [brotli, gzip] = await Promise.all([headOf('gzip, br'), headOf('gzip')]);
    expect(brotli.headers['content-encoding']).toBe('br');
    expect(brotli.headers.vary).toBe('Accept-Encoding');
    const sizeOf = ({ headers }: typeof gzip) => Number(headers['content-length']);
    expect(sizeOf(brotli)).toBeLessThan(sizeOf(gzip));
    expect(sizeOf(gzip)).toBeLessThan(5000);
  });

  test('reach a browser that takes no compression', async () => {
    const plain = await get(`/tenant/assets/${version}/plinto.js`).set(
      'Accept-Encoding',
      'identity',
    );
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.text).toContain('Every page works without this file');
  });

  test('are served but not kept under the version of another replica', async () => {
    const other = await get('/tenant/assets/0123456789ab/plinto.css');
    expect(other.status).toBe(200);
    expect(other.headers['cache-control']).toBe('no-cache');
  });

  test.each([
    `/tenant/assets/${version}/nothing.css`,
    `/tenant/assets/${version}/../locales/en/errors.json`,
    `/tenant/assets/${version}/..%2f..%2fpackage.json`,
    `/tenant/assets/${version}/sub/plinto.css`,
    `/tenant/assets/${version}/constructor`,
    `/tenant/assets/${version}/`,
    '/tenant/assets/x/plinto.css',
    '/tenant/assets/',
  ])('%s is no asset', async (path) => {
    const response = await get(path);
    expect(response.text).not.toContain('{');
    if (!response.text.startsWith('next')) expect(response.status).toBe(404);
  });

  test('leave every other path alone', async () => {
    expect((await get('/assets/x')).text).toBe('next');
    expect((await get('/tenant/login')).text).toBe('next');
  });

  test.each(readdirSync(publicDir))('%s is under 15 KB', (name) => {
    expect(statSync(join(publicDir, name)).size).toBeLessThan(15_000);
  });
});
