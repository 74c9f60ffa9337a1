import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Koa from 'koa';
import type { Page } from 'playwright-core';
import { createAssets } from '../../src/http/assets.ts';
import { createI18n } from '../../src/http/i18n.ts';
import { createRenderer } from '../../src/http/render.ts';
import { AXE } from './browser.ts';
import { HOSTILE_SAMPLES, SAMPLES } from './page-samples.ts';
import { brandingFiles } from './samples/organization-branding.ts';

const ALL = [...SAMPLES, ...HOSTILE_SAMPLES];
const CSP =
  "default-src 'none'; script-src 'nonce-test'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'";
const AXE_PATH = '/axe.js';
const VIEWS = join(import.meta.dirname, '../../views');

/** A server that shows the samples; `posts` is what their forms sent, as `<path>?<body>`. */
export type PageServer = {
  urlOf(sample: string, lang?: string): string;
  posts: string[];
  /** Lets a page load axe, which then is compiled once for all pages, not for each. */
  loadAxe(page: Page): Promise<void>;
  close(): void;
};

/** Serves every sample with the real renderer and assets, behind a policy as strict as the real one. */
export async function servePages(): Promise<PageServer> {
  const assets = createAssets({ publicDir: join(VIEWS, 'public'), basePath: '/base' });
  const renderer = createRenderer({
    viewsDir: VIEWS,
    basePath: '/base',
    i18n: createI18n(join(VIEWS, 'locales')),
    assetVersion: assets.version,
  });
  const files = await brandingFiles();
  const posts: string[] = [];
  const app = new Koa().use(assets.middleware).use(async (ctx) => {
    ctx.set('Content-Security-Policy', CSP);
    if (ctx.method === 'POST') {
      let body = '';
      for await (const chunk of ctx.req) body += chunk;
      posts.push(`${ctx.path}?${body}`);
      // A 204 leaves the page where it is, as a slow answer does.
      ctx.status = 204;
      return;
    }
    const file = files.get(ctx.path.replace('/base', ''));
    if (file) {
      ctx.type = file.type;
      ctx.body = file.body;
      return;
    }
    if (ctx.path === AXE_PATH) {
      ctx.set('Cache-Control', 'public, max-age=3600, immutable');
      ctx.type = 'text/javascript';
      ctx.body = AXE;
      return;
    }
    const sample = ALL[Number(ctx.path.slice(1))];
    if (!sample) return;
    Object.assign(ctx.state, { nonce: 'test', csrf: 'form-token', uiLocales: ctx.query.lang });
    renderer.page(ctx, sample.page, sample.locals, { status: sample.page === 'error' ? 400 : 200 });
  });
  const server = await new Promise<ReturnType<typeof app.listen>>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    urlOf(name, lang = '') {
      const index = ALL.findIndex((sample) => sample.name === name);
      if (index < 0) throw new Error(`no sample is called ${name}`);
      return `${origin}/${index}?lang=${lang}`;
    },
    posts,
    loadAxe: async (page) => {
      await page.evaluate(
        `new Promise((onload, onerror) => {
          const script = Object.assign(document.createElement('script'), { nonce: 'test', src: '${AXE_PATH}', onload, onerror });
          document.head.append(script);
          script.remove();
        }).then(() => undefined)`,
      );
    },
    close: () => server.close(),
  };
}

/** Collects what a quiet page never causes: errors, policy breaches, dialogs, foreign requests. */
export function watchForComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // The error page's own status is none.
    if (message.type() === 'error' && !message.text().includes('status of 400')) {
      complaints.push(message.text());
    }
  });
  page.on('dialog', (dialog) => complaints.push(dialog.message()));
  page.on('request', (request) => {
    if (!request.url().startsWith('http://127.0.0.1:')) complaints.push(request.url());
  });
  return complaints;
}
