import Router from '@koa/router';
import type { Context } from 'koa';
import { isId } from '../db/id.ts';
import type { Deps } from '../deps.ts';
import { AppError } from '../errors.ts';
import type { Renderer } from '../http/render.ts';
import type { Composed, Composer } from './compose.ts';
import type { MailTemplate } from './mail.ts';
import { sampleVars } from './samples.ts';
import { findCaughtMessage, listCaughtMessages } from './store.ts';

export type DevMailboxParts = {
  deps: Deps;
  renderer: Renderer;
  composer: Composer;
  basePath: string;
  issuer: string;
};

/** What a message's page shows. */
type Shown = {
  subject: string | null;
  recipient?: string;
  at?: string;
  text: string;
  link?: string | undefined;
  htmlUrl?: string | undefined;
};

/**
 * A mail's own HTML runs nothing, loads nothing and has no origin; its links open in a new tab, as
 * they do from a mail program.
 */
const MAIL_POLICY =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** What would have been sent, and how each mail looks; for development only. */
export function devMailboxRoutes(parts: DevMailboxParts): Router {
  const { deps, renderer, issuer } = parts;
  const base = `${parts.basePath}/dev/mail`;
  const router = new Router({ prefix: '/dev/mail' });

  router.get('/', async (ctx) => {
    const messages = await listCaughtMessages(deps.db);
    const locals = {
      messages: messages.map(({ sent_at, ...message }) => ({
        ...message,
        url: `${base}/${message.id}`,
        at: sayTime(ctx, renderer, sent_at),
      })),
      previews: Object.keys(sampleVars(issuer)).map((name) => ({
        name,
        url: `${base}/preview/${name}`,
      })),
    };
    renderer.page(ctx, 'dev-mail', locals);
  });

  addPreviews(router, parts, base);

  router.get('/:id/html', async (ctx) => {
    const { html } = await find(parts, ctx);
    if (html === null) throw new AppError('not_found');
    showHtml(ctx, html);
  });

  router.get('/:id', async (ctx) => {
    const { id, subject, recipient, text, html, sent_at } = await find(parts, ctx);
    const shown: Shown = {
      subject,
      recipient,
      at: sayTime(ctx, renderer, sent_at),
      text,
      link: findLink(text, issuer),
      htmlUrl: html === null ? undefined : `${base}/${id}/html`,
    };
    renderer.page(ctx, 'dev-mail-message', { ...shown, listUrl: base });
  });
  return router;
}

/** Every mail in every language, filled with samples. */
function addPreviews(router: Router, parts: DevMailboxParts, base: string): void {
  const { renderer, composer } = parts;
  const samples = sampleVars(parts.issuer);

  const compose = (ctx: Context): Composed & { template: string; locale: string } => {
    const template = String(ctx.params.template);
    const asked = typeof ctx.query.lang === 'string' ? ctx.query.lang : renderer.localeOf(ctx);
    const locale = renderer.languages.find((lang) => lang === asked);
    if (!isTemplate(samples, template) || locale === undefined) throw new AppError('not_found');
    const composed = composer.compose({ template, vars: samples[template], locale });
    return { ...composed, template, locale };
  };

  router.get('/preview/:template/html', (ctx) => {
    showHtml(ctx, compose(ctx).html);
  });

  router.get('/preview/:template', (ctx) => {
    const { template, locale, subject, text } = compose(ctx);
    const url = `${base}/preview/${template}`;
    const languages = renderer.languages.map((lang) => ({
      lang,
      url: `${url}?lang=${lang}`,
      current: lang === locale,
    }));
    const shown: Shown = { subject, text, htmlUrl: `${url}/html?lang=${locale}` };
    renderer.page(ctx, 'dev-mail-message', { ...shown, languages, listUrl: base });
  });
}

async function find({ deps }: DevMailboxParts, ctx: Context) {
  const id = String(ctx.params.id);
  const message = isId(id) ? await findCaughtMessage(deps.db, id) : undefined;
  if (message === undefined) throw new AppError('not_found');
  return message;
}

function isTemplate(samples: object, name: string): name is MailTemplate {
  return Object.hasOwn(samples, name);
}

/** The link that a person would follow: the first of ours. */
function findLink(text: string, issuer: string): string | undefined {
  return text.match(/^https?:\/\/\S+$/gm)?.find((link) => link.startsWith(`${issuer}/`));
}

function showHtml(ctx: Context, html: string): void {
  ctx.set('Content-Security-Policy', MAIL_POLICY);
  ctx.set('Cache-Control', 'no-store');
  ctx.type = 'html';
  ctx.body = html;
}

function sayTime(ctx: Context, renderer: Renderer, at: Date): string {
  const format = { dateStyle: 'medium', timeStyle: 'medium' } as const;
  return new Intl.DateTimeFormat(renderer.localeOf(ctx), format).format(at);
}
