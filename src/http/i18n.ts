import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInstance } from 'i18next';

/** Looks a key up in one language and fills in its variables; the result is plain text, not HTML. */
export type Translate = (key: string, vars?: Record<string, unknown>) => string;

/** The installation's languages: which there are, which one a person reads, and its words. */
export type I18n = {
  /** Language tags that have a file, English first. */
  languages: string[];
  /** The best language for `ui_locales` (OIDC Core §3.1.2.1), then Accept-Language, then English. */
  choose(uiLocales: string | undefined, acceptLanguage: string | undefined): string;
  translator(lang: string): Translate;
  /** Whether a text exists under the key; for keys that are partly made of someone else's data. */
  has(lang: string, key: string): boolean;
  dir(lang: string): 'ltr' | 'rtl';
};

const FALLBACK = 'en';
const RTL = new Set(['ar', 'ckb', 'dv', 'fa', 'he', 'ps', 'sd', 'ug', 'ur', 'yi']);
/** Longer headers than any browser sends are cut, so that parsing them stays cheap. */
const MAX_LENGTH = 1000;
const RANGE = /^([a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i;

/**
 * Loads every `<language>/*.json` of a folder into memory; a language's files make one tree.
 * @throws when there is no English, a file is not JSON, or two files say the same: better at start
 *   than on a page.
 */
export function createI18n(localesDir: string): I18n {
  const found = readdirSync(localesDir);
  if (!found.includes(FALLBACK)) throw new Error(`${localesDir} has no ${FALLBACK}`);
  const languages = [FALLBACK, ...found.filter((lang) => lang !== FALLBACK).sort()];
  const words = new Map(languages.map((lang) => [lang, readWords(localesDir, lang)]));

  const i18next = createInstance();
  void i18next.init({
    initAsync: false,
    lng: FALLBACK,
    fallbackLng: FALLBACK,
    resources: Object.fromEntries([...words].map(([lang, translation]) => [lang, { translation }])),
    nsSeparator: false,
    returnNull: false,
    // EJS escapes at the point of output; escaping here too would show `&amp;` to people.
    interpolation: { escapeValue: false },
  });
  const translators = new Map<string, Translate>(
    languages.map((lang) => {
      const fixed = i18next.getFixedT(lang);
      return [lang, (key, vars) => String(fixed(key, vars ?? {}))];
    }),
  );

  return {
    languages,
    choose: (uiLocales, acceptLanguage) =>
      lookUp(languages, splitLocales(uiLocales)) ??
      lookUp(languages, splitHeader(acceptLanguage)) ??
      FALLBACK,
    translator(lang) {
      const translate = translators.get(lang) ?? translators.get(FALLBACK);
      if (!translate) throw new Error('no translations are loaded');
      return translate;
    },
    has: (lang, key) => typeof find(words.get(lang), key) === 'string',
    dir: (lang) => (RTL.has(lang.split('-')[0] ?? '') ? 'rtl' : 'ltr'),
  };
}

function readWords(localesDir: string, lang: string): Record<string, unknown> {
  const folder = join(localesDir, lang);
  const words: Record<string, unknown> = {};
  for (const file of readdirSync(folder)) {
    for (const [key, text] of Object.entries(
      JSON.parse(readFileSync(join(folder, file), 'utf8')),
    )) {
      if (key in words) throw new Error(`${lang} has ${key} twice, the second time in ${file}`);
      words[key] = text;
    }
  }
  return words;
}

/** Walks own properties only, so that a key such as `constructor` finds nothing. */
function find(words: unknown, key: string): unknown {
  let node = words;
  for (const part of key.split('.')) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, part)) return undefined;
    node = (node as Record<string, unknown>)[part];
  }
  return node;
}

/** RFC 4647 §3.4 lookup: each wish in turn, cut from the right until a language has it. */
function lookUp(languages: string[], wishes: string[]): string | undefined {
  for (const wish of wishes) {
    const parts = wish.toLowerCase().split('-');
    for (let length = parts.length; length > 0; length--) {
      const tag = parts.slice(0, length).join('-');
      const match = languages.find((lang) => lang.toLowerCase() === tag);
      if (match) return match;
    }
  }
  return undefined;
}

function splitLocales(uiLocales: string | undefined): string[] {
  return (uiLocales ?? '')
    .slice(0, MAX_LENGTH)
    .split(' ')
    .filter((tag) => RANGE.test(tag));
}

/** RFC 9110 §12.5.4: highest weight first, equal weights in the order given, weight 0 never. */
function splitHeader(header: string | undefined): string[] {
  return (header ?? '')
    .slice(0, MAX_LENGTH)
    .split(',')
    .flatMap((range) => {
      const [, tag, q] = RANGE.exec(range.trim()) ?? [];
      const weight = q === undefined ? 1 : Number(q);
      return tag && weight > 0 ? [{ tag, weight }] : [];
    })
    .sort((a, b) => b.weight - a.weight)
    .map(({ tag }) => tag);
}
