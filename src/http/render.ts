import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs, { type TemplateFunction } from 'ejs';
import type { Context } from 'koa';
import type { I18n } from './i18n.ts';
import { createWords, tidyName, type Words } from './words.ts';

/** Every page there is; each is `views/<name>.ejs` and says `<main data-page="<name>">`. */
export const PAGES = [
  'login',
  'password',
  'consent',
  'logout',
  'signed-out',
  'still-signed-in',
  'device',
  'device-confirm',
  'device-done',
  'error',
  'setup',
  'setup-done',
  'home',
  'register',
  'verify-email',
  'link-elsewhere',
  'invitation',
  'code',
  'new-password',
  'totp',
  'enrol-mfa',
  'enrol-totp',
  'enrol-passkey',
  'passkey',
  'passkey-offer',
  'recovery-code',
  'recovery-codes',
  'sms-code',
  'mail-code',
  'lost-factors',
  'cancel-recovery',
  'reset-password',
  'reset-password-sent',
  'reset-password-new',
  'reset-password-done',
  'account',
  'account-picture',
  'account-email',
  'account-email-code',
  'account-phone',
  'account-phone-code',
  'account-password',
  'account-totp',
  'account-recovery-codes',
  'account-passkeys',
  'account-message-codes',
  'account-devices',
  'account-apps',
  'account-sessions',
  'account-activity',
  'account-data',
  'account-delete',
  'account-deleted',
  'account-organizations',
  'account-organization-new',
  'organization',
  'organization-delete',
  'organization-transfer',
  'organization-members',
  'organization-member',
  'organization-invitations',
  'account-invitation',
  'join',
  'organization-roles',
  'organization-role',
  'organization-domains',
  'join-organization',
  'organization-policies',
  'organization-branding',
  'organization-activity',
  'choose-organization',
  'organization-refused',
  'dev-mail',
  'dev-mail-message',
] as const;

export type PageName = (typeof PAGES)[number];

/** Turns a page name and its locals into the answer to a request. */
export type Renderer = {
  /**
   * Answers with a page in the person's language. Reads `ctx.state`: `uiLocales`, `nonce` (CSP) and
   * `csrf`, all optional strings; `frame`, which is around the pages of somebody's account;
   * `branding`, what other pages wear in place of the installation's own.
   */
  page(
    ctx: Context,
    page: PageName,
    locals?: Record<string, unknown>,
    options?: { status?: number },
  ): void;
  /** The language that a page would be in: for mails that the request causes. */
  localeOf(ctx: Context): string;
  /** Words in that language, for answers that are no page. */
  wordsFor(ctx: Context): Words;
  /** Tags of the languages there are, English first. */
  languages: readonly string[];
};

/** What the renderer is built from; `basePath` has no trailing slash, '' at the root. */
export type RendererOptions = {
  viewsDir: string;
  basePath: string;
  i18n: I18n;
  assetVersion: string;
  /** The name people know this installation by. */
  productName?: string;
};

type Locals = Record<string, unknown>;

/** Whose pages these look like; addresses are paths below `basePath`. */
type Branding = { name: string; logo?: string; css?: string };

/**
 * Compiles every template once, so that a broken one fails the start and requests touch no files.
 * @throws when a template is missing or does not compile
 */
export function createRenderer(options: RendererOptions): Renderer {
  const { viewsDir, basePath, i18n, assetVersion, productName = 'Plinto' } = options;
  const layouts = {
    card: compileFile(viewsDir, 'layout'),
    account: compileFile(viewsDir, 'layout-account'),
  };
  const pages = new Map(PAGES.map((page) => [page, compileFile(viewsDir, page)]));
  const partials = compilePartials(viewsDir);
  const words = new Map(i18n.languages.map((lang) => [lang, createWords(i18n, lang, productName)]));

  const localeOf = (ctx: Context): string =>
    i18n.choose(ctx.state.uiLocales as string | undefined, ctx.get('Accept-Language'));

  return {
    localeOf,
    wordsFor: (ctx) => need(words, localeOf(ctx)),
    languages: i18n.languages,
    page(ctx, page, locals = {}, { status = 200 } = {}) {
      const state = ctx.state as {
        nonce?: string;
        csrf?: string;
        frame?: object;
        branding?: Branding;
      };
      const frame = state.frame ?? locals.frame;
      const worn = state.branding ?? (locals.branding as Branding | undefined);
      const branding = worn && { ...worn, name: tidyName(worn.name) };
      const lang = localeOf(ctx);
      const helpers: Locals = {
        ...words.get(lang),
        productName,
        basePath,
        csrf: state.csrf ?? locals.csrf,
        nonce: state.nonce,
        assets: `${basePath}/assets/${assetVersion}`,
        // Partials see what they are handed and no more, so a page's `error` can't end up in a field.
        partial: (name: string, vars: Locals = {}) => need(partials, name)({ ...helpers, ...vars }),
      };
      ctx.status = status;
      ctx.type = 'html';
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Content-Language', lang);
      ctx.vary('Accept-Language');
      const layout = frame ? layouts.account : layouts.card;
      ctx.body = layout({
        ...helpers,
        frame,
        branding,
        page,
        lang,
        dir: i18n.dir(lang),
        title: titleOf(page, locals, words.get(lang)),
        body: need(pages, page)({ ...locals, ...helpers, branding }),
      });
    },
  };
}

/** A failed form says so first, because a title is the first thing a screen reader reads. */
function titleOf(page: PageName, locals: Locals, words: Words | undefined): string {
  if (!words) return '';
  if (page === 'error') {
    const { title, code } = locals;
    return typeof title === 'string' && title ? title : words.errorText(String(code), 'title');
  }
  const { here, organization } = locals as { here?: string; organization?: { name: string } };
  const own = words.t(`${page}.title`);
  // Tabs of two organizations would read alike.
  const title = here && organization ? `${own} · ${tidyName(organization.name)}` : own;
  return locals.error ? words.t('common.failed', { title }) : title;
}

function compilePartials(viewsDir: string): Map<string, TemplateFunction> {
  const dir = join(viewsDir, 'partials');
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ejs'))
    .map((file) => file.slice(0, -'.ejs'.length).replaceAll('\\', '/'));
  return new Map(names.map((name) => [name, compileFile(dir, name)]));
}

function compileFile(dir: string, name: string): TemplateFunction {
  const filename = join(dir, `${name}.ejs`);
  return ejs.compile(readFileSync(filename, 'utf8'), {
    filename,
    strict: true,
    rmWhitespace: false,
  });
}

function need<K, V>(map: Map<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`no template named ${String(key)}`);
  return value;
}
