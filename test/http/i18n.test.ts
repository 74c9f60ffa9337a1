import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createI18n } from '../../src/http/i18n.ts';
import { PAGES } from '../../src/http/render.ts';
import { createWords } from '../../src/http/words.ts';

const views = join(import.meta.dirname, '../../views');
const i18n = createI18n(join(views, 'locales'));

/** Every text of a language by its dotted key. */
function flatten(node: unknown, prefix = ''): Map<string, string> {
  if (typeof node === 'string') return new Map([[prefix, node]]);
  return new Map(
    Object.entries(node as object).flatMap(([key, child]) => [
      ...flatten(child, prefix ? `${prefix}.${key}` : key),
    ]),
  );
}

function textsOf(lang: string): Map<string, string> {
  const folder = join(views, 'locales', lang);
  const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  return new Map(files.flatMap((text) => [...flatten(JSON.parse(text))]));
}

const variablesOf = (text: string | undefined) =>
  [...(text ?? '').matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

describe('the language of a page', () => {
  test.each([
    ['de', undefined, 'de'],
    ['de-CH', 'en', 'de'],
    ['DE-ch-1996', 'en', 'de'],
    ['nl de en', 'en', 'de'],
    ['nl', 'de', 'de'],
    ['nl it', 'pl', 'en'],
    ['  en   de ', 'de', 'en'],
    [undefined, 'de-AT,de;q=0.9,en;q=0.8', 'de'],
    [undefined, 'en;q=0.5, de;q=0.7', 'de'],
    [undefined, 'nl-BE, nl;q=0.9, *;q=0.5', 'en'],
    [undefined, 'fr-CH, de;q=0.9', 'fr'],
    ['ar-EG', 'en', 'ar'],
    ['es-MX', undefined, 'es'],
    [undefined, 'de;q=0, en', 'en'],
    [undefined, 'de;q=0', 'en'],
    [undefined, 'de ; q=0.3, en; q=0.2', 'de'],
    [undefined, 'de, en', 'de'],
    [undefined, '', 'en'],
    [undefined, undefined, 'en'],
    ['', 'de', 'de'],
    ['../../etc/passwd', 'de;q=1.5', 'en'],
    ['__proto__ constructor', ';;;,,,q=', 'en'],
    [`${'x'.repeat(100_000)} de`, undefined, 'en'],
  ])('ui_locales %j and Accept-Language %j give %s', (uiLocales, header, expected) => {
    expect(i18n.choose(uiLocales, header)).toBe(expected);
  });

  test('is one there is, whatever is asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (uiLocales, header) => {
        expect(i18n.languages).toContain(i18n.choose(uiLocales, header));
      }),
    );
  });

  test.each([
    ['de', 'ltr'],
    ['ar', 'rtl'],
    ['he-IL', 'rtl'],
  ])('%s is written %s', (lang, dir) => {
    expect(i18n.dir(lang)).toBe(dir);
  });
});

describe('texts', () => {
  const english = textsOf('en');

  test.each(i18n.languages)('%s has every key with the same variables', (lang) => {
    const texts = textsOf(lang);
    expect([...texts.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of texts) {
      expect(text.trim(), key).not.toBe('');
      expect(variablesOf(text), key).toEqual(variablesOf(english.get(key)));
    }
  });

  test.each(i18n.languages)('%s has a title of its own for every page', (lang) => {
    const texts = textsOf(lang);
    const titles = PAGES.map((page) => texts.get(`${page}.title`)).filter(Boolean);
    expect(titles.length).toBeGreaterThan(30);
    expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([]);
  });

  test('exist for every key that a template uses, and no others do', () => {
    const templates = readdirSync(views, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ejs'),
    );
    const sources = [
      ...templates.map((file) => join(views, file)),
      ...['http/render', 'http/words', 'mail/compose', 'sms/send-sms', 'password/strength'].map(
        (name) => join(views, `../src/${name}.ts`),
      ),
    ]
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    const used = new Set([...sources.matchAll(/'((?:[\w-]+\.)+\w+)'/g)].map(([, key]) => key));
    // A template literal such as `errors.${code}.title` stands for every key of its shape.
    const shapes = [
      ...sources.matchAll(/`([\w-]+(?:\.[\w-]+)*\.\$\{[^`]+)`/g),
      ...sources.matchAll(/`(\$\{page\}\.title)`/g),
    ].map(
      ([, shape = '']) =>
        new RegExp(
          `^${shape
            .replaceAll(/\$\{[^}]+\}/g, '[\\w-]+')
            .replaceAll('.', '\\.')
            .replaceAll('[\\w-]\\+', '[\\w-]+')}$`,
        ),
    );
    const groups = new Set([...english.keys()].map((key) => key.split('.')[0]));
    const missing = [...used].filter(
      (key) => key && groups.has(key.split('.')[0]) && !english.has(key),
    );
    expect(missing).toEqual([]);
    const unused = [...english.keys()].filter(
      (key) => !used.has(key) && !shapes.some((shape) => shape.test(key)),
    );
    expect(unused).toEqual([]);
  });

  test('carry data as it is: neither escaped twice nor expanded', () => {
    const { t } = createWords(i18n, 'en', 'Plinto');
    expect(t('common.cancel_app', { app: `Tom & "Jerry"` })).toContain(`Tom & "Jerry"`);
    for (const app of [
      '{{productName}}',
      '$t(login.title)',
      '{{app}}',
      '$t(login.title, {"app": 1})',
    ]) {
      expect(t('login.lead', { app })).toBe(`Continue to ${app}`);
    }
  });

  test('never come from outside the language file', () => {
    for (const key of ['constructor', '__proto__.toString', 'scopes.constructor', 'errors', '']) {
      expect(i18n.has('en', key), key).toBe(false);
    }
  });
});

describe('names in a sentence', () => {
  const { rich } = createWords(i18n, 'en', 'Plinto');

  test('are set apart from its words', () => {
    expect(rich('consent.lead', { app: 'Notes' })).toEqual([
      { text: 'Notes', data: true },
      { text: ' asks for access to your Plinto account.', data: false },
    ]);
  });

  test.each([
    ['a\u202egpj.exe', 'a gpj.exe'],
    ['a\u2069\u2066b', 'a b'],
    ['line\r\nbreak\u0000', 'line break'],
    ['\u0001\u00010\u0001', '0'],
    ['👩‍👩‍👧 می‌خواهم', '👩‍👩‍👧 می‌خواهم'],
    ['n'.repeat(500), `${'n'.repeat(119)}…`],
  ])('%j is shown as %j', (app, text) => {
    expect(rich('login.lead', { app }).at(-1)).toEqual({ text, data: true });
  });
});

describe('waiting times', () => {
  test.each([
    ['en', 1, '1 second'],
    ['en', 30, '30 seconds'],
    ['en', 99.2, '2 minutes'],
    ['en', 600, '10 minutes'],
    ['en', 9000, '3 hours'],
    ['de', 61, '61 Sekunden'],
    ['de', 180, '3 Minuten'],
    ['en', Number.NaN, '1 second'],
    ['en', -5, '1 second'],
  ])('in %s %d s are %s', (lang, seconds, text) => {
    expect(createWords(i18n, lang, 'Plinto').duration(seconds)).toBe(text);
  });
});
