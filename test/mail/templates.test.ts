import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createI18n } from '../../src/http/i18n.ts';
import { type Composer, createComposer } from '../../src/mail/compose.ts';
import type { Mail, MailTemplate } from '../../src/mail/mail.ts';
import { sampleVars } from '../../src/mail/samples.ts';
import { axeViolations, launchBrowser, SCHEMES, screenshotMatrix } from '../support/browser.ts';

const ISSUER = 'https://id.harbour.example/tenant';
const VIEWS = join(import.meta.dirname, '../../views');
const i18n = createI18n(join(VIEWS, 'locales'));
const samples = sampleVars(ISSUER);
const TEMPLATES = Object.keys(samples) as MailTemplate[];
const ALL = i18n.languages.flatMap((lang) => TEMPLATES.map((template) => ({ lang, template })));

const composer: Composer = createComposer({
  viewsDir: VIEWS,
  i18n,
  productName: 'Harbour',
  issuer: ISSUER,
  codeTtl: 600,
});
const compose = (template: MailTemplate, locale: string, more: Partial<Mail> = {}) =>
  composer.compose({ template, vars: samples[template], locale, ...more });
const varsOf = (template: MailTemplate) => samples[template] as Partial<Record<string, string>>;
const linksIn = (html: string) => [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href);

describe('every mail in every language', () => {
  test.each(ALL)('$template in $lang says the same as text and as HTML', ({ template, lang }) => {
    const { subject, text, html } = compose(template, lang);
    const { code, url } = varsOf(template);
    expect(subject).toContain('Harbour');
    for (const part of [subject, text, html]) {
      expect(part).not.toMatch(/\{\{|undefined|\[object|mail\.[a-z-]+\./);
    }
    for (const part of [text, html]) {
      if (code !== undefined) expect(part).toContain(code);
      if (url !== undefined) expect(part).toContain(url);
      expect(part).toContain('id.harbour.example');
    }
    expect(subject).not.toContain(code ?? '\0');
    expect(text).not.toMatch(/<\w|&\w+;|\n{3}/);
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain(`<html lang="${lang}" dir="${i18n.dir(lang)}">`);
    expect(html).not.toMatch(/<script|<img|<link|<iframe|<form|\son\w+=|url\(/);
  });

  test.each(ALL)('$template in $lang links nowhere but to the issuer', ({ template, lang }) => {
    const { text, html } = compose(template, lang);
    const links = [...(text.match(/https?:\/\/\S+/g) ?? []), ...linksIn(html)];
    expect(links.length > 0).toBe(varsOf(template).url !== undefined);
    for (const link of links) expect(link).toMatch(/^https:\/\/id\.harbour\.example\/tenant\//);
  });
});

test('a mail of another version, which has no words here, is left to who has them', () => {
  expect(() => compose('of-tomorrow' as MailTemplate, 'en')).toThrow('of-tomorrow');
});

describe('the language of a mail', () => {
  test.each([
    ['de', 'de'],
    ['de-CH', 'de'],
    ['de-Latn-AT-1996', 'de'],
    ['en-GB', 'en'],
    ['zu', 'en'],
    ['', 'en'],
    ['../../etc', 'en'],
  ])('for %j is %s', (locale, lang) => {
    expect(compose('invitation', locale).html).toContain(`<html lang="${lang}"`);
  });

  test.each([
    ['en', '10 minutes'],
    ['de', '10 Minuten'],
  ])('in %s says how long a code works: %s', (lang, words) => {
    expect(compose('sign-in-code', lang).text).toContain(words);
  });

  test.each([
    ['en', '1', '1 day'],
    ['en', '7', '7 days'],
    ['de', '7', '7 Tage'],
  ])('in %s says %s days as %s', (lang, days, words) => {
    const vars = { url: `${ISSUER}/invitation/x`, days };
    expect(compose('invitation', lang, { vars }).text).toContain(words);
  });

  test.each<[string, MailTemplate, string | undefined, string]>([
    ['en', 'new-device', undefined, 'March 4, 2027 at 05:05 PM UTC'],
    ['de', 'new-device', undefined, '4. März 2027 um 17:05 UTC'],
    ['de', 'new-device', 'Europe/Berlin', '4. März 2027 um 18:05 MEZ'],
    ['en', 'new-device', 'No/Such_Zone', 'March 4, 2027 at 05:05 PM UTC'],
    ['de', 'deletion-requested', 'Pacific/Kiritimati', '5. März 2027'],
  ])('in %s tells moments of %s in the zone %s: %s', (locale, template, zone, words) => {
    const { text } = compose(template, locale, { zone });
    expect(text.replaceAll(/\s/g, ' ')).toContain(words);
  });
});

describe('a mail about a factor', () => {
  test.each([
    ['en', 'passkey', 'Method: Passkey'],
    ['de', 'sms', 'Methode: Code per SMS'],
    ['fr', 'totp', 'Méthode: Application d’authentification'],
    ['en', 'of-tomorrow', 'Method: of-tomorrow'],
  ])('in %s calls %s by its name: %s', (lang, factor, words) => {
    const vars = { factor, url: `${ISSUER}/x` };
    expect(compose('factor-added', lang, { vars }).text).toContain(words);
  });

  test('says how many recovery codes are left', () => {
    expect(compose('recovery-code-used', 'en').text).toContain('Codes left: 7');
    expect(compose('recovery-codes-few', 'de').text).toContain('Übrige Codes: 2');
  });
});

test.each([
  ['en', 'You are invited to join Acme Industries at Harbour.'],
  ['de', 'Sie sind eingeladen, bei Harbour der Organisation Acme Industries beizutreten.'],
  ['fr', 'Vous avez une invitation à rejoindre Acme Industries sur Harbour.'],
  ['es', 'Tiene una invitación para unirse a Acme Industries en Harbour.'],
  ['ar', 'لديك دعوة للانضمام إلى Acme Industries في Harbour.'],
])('in %s an invitation of no person’s says so: %s', (lang, words) => {
  const vars = { ...samples['organization-invitation'], inviter: '' };
  expect(compose('organization-invitation', lang, { vars }).text.split('\n')).toContain(words);
});

describe('security 13: text from outside in a mail', () => {
  const ATTACK = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e';

  test('is inert', () => {
    for (const template of TEMPLATES) {
      const { code, url, ...outside } = varsOf(template);
      const hostile = Object.fromEntries(Object.keys(outside).map((name) => [name, ATTACK]));
      const vars = { ...samples[template], ...hostile };
      const { subject, html, text } = composer.compose({ template, vars, locale: ATTACK });
      expect(html, template).not.toMatch(/<img|<script/);
      expect(linksIn(html), template).toEqual(url === undefined ? [] : [url, url]);
      expect(subject, template).not.toContain('alert');
      for (const part of [html, text]) expect(part, template).not.toMatch(/\p{Bidi_Control}/u);
    }
  });

  test('can be a name in another direction, which is kept apart from the words', () => {
    const vars = { device: 'متصفح', place: '', at: '2027-03-04T17:05:00Z', url: `${ISSUER}/x` };
    expect(compose('new-device', 'en', { vars }).html).toContain('<bdi>متصفح</bdi>');
  });
});

describe('a mail that is looked at', { timeout: 60_000 }, () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 320, height: 640 } });
  });
  afterAll(() => browser.close());

  test.each(TEMPLATES)('%s is accessible in both schemes, and fits a phone', async (template) => {
    await page.setContent(compose(template, 'de').html);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      expect(await axeViolations(page), colorScheme).toEqual([]);
    }
    for (const dir of ['ltr', 'rtl']) {
      await page.evaluate(`document.documentElement.dir = '${dir}'`);
      expect(await page.evaluate('document.documentElement.scrollWidth'), dir).toBe(320);
    }
  });

  const pictures = process.env.SCREENSHOT_DIR;
  // Made on request only: not a test that can fail, so it isn't there otherwise.
  if (pictures !== undefined) {
    test.each(TEMPLATES)('a picture of %s', async (template) => {
      const { html } = compose(template, 'en');
      await screenshotMatrix(browser, (p) => p.setContent(html), pictures, `mail-${template}`);
    });
  }
});
