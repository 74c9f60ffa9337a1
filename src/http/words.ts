import type { I18n, Translate } from './i18n.ts';

/** A stretch of a sentence: the sentence's own words, or a name that someone else chose. */
type Piece = { text: string; data: boolean };

/** What templates say things with, in one language. */
export type Words = {
  t: Translate;
  /** A sentence in pieces, so that the page can set names apart (`<bdi>`); names are cleaned and cut. */
  rich(key: string, vars: Record<string, unknown>): Piece[];
  /** The text under the key, or the fallback; for keys made of someone else's data. */
  word(key: string, fallback: string, vars?: Record<string, unknown>): string;
  /** The title or detail of an error code, or of "something went wrong" for a code without words. */
  errorText(code: string, part: 'title' | 'detail'): string;
  /** Seconds as a person says them, rounded up: "30 seconds", "2 minutes". */
  duration(seconds: number): string;
  /** The address if it is http or https, else undefined: `javascript:` must not become a link. */
  webUrl(address: unknown): string | undefined;
};

const MARK = '\u0001';
const MAX_NAME = 120;
/** Control characters, halves of characters, and what reorders the text around it (UAX #9 §2). */
const UNSAFE = String.raw`\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069`;
const BETWEEN_WORDS = new RegExp(`[${UNSAFE}\\p{Zl}\\p{Zp} ]+`, 'gu');
const WITHIN_LINE = new RegExp(`(?:(?!\\n)[${UNSAFE}])+`, 'gu');
const UNITS = [
  { unit: 'day', size: 86_400, from: 172_800 },
  { unit: 'hour', size: 3600, from: 7200 },
  { unit: 'minute', size: 60, from: 100 },
  { unit: 'second', size: 1, from: 0 },
] as const;

/** The helpers that every template gets; `productName` is a variable of every text. */
export function createWords(i18n: I18n, lang: string, productName: string): Words {
  const translate = i18n.translator(lang);
  const t: Translate = (key, vars) => translate(key, { productName, ...vars });
  const word: Words['word'] = (key, fallback, vars) =>
    i18n.has(lang, key) ? t(key, vars) : fallback;
  return {
    t,
    word,
    rich: (key, vars) => splitSentence(t, key, vars),
    errorText: (code, part) => word(`errors.${code}.${part}`, t(`errors.unknown.${part}`)),
    duration: (seconds) => sayDuration(lang, seconds),
    webUrl: (address) =>
      typeof address === 'string' && /^https?:\/\//i.test(address) ? address : undefined,
  };
}

function splitSentence(t: Translate, key: string, vars: Record<string, unknown>): Piece[] {
  const names = Object.keys(vars);
  const marks = names.map((name, index) => [name, `${MARK}${index}${MARK}`]);
  return t(key, Object.fromEntries(marks))
    .split(MARK)
    .map((text, index) => {
      if (index % 2 === 0) return { text, data: false };
      return { text: tidyName(vars[names[Number(text)] ?? '']), data: true };
    })
    .filter(({ text }) => text !== '');
}

/** A name that somebody chose as it may be shown: on one line, in its own direction, not too long. */
export function tidyName(value: unknown): string {
  const letters = [...tidyLine(String(value ?? ''))];
  return letters.length > MAX_NAME
    ? `${letters.slice(0, MAX_NAME - 1).join('')}…`
    : letters.join('');
}

function sayDuration(lang: string, seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds) || 1);
  const { unit, size } = UNITS.find(({ from }) => whole >= from) ?? UNITS[2];
  const format = new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' });
  return format.format(Math.ceil(whole / size));
}

/** What somebody typed into a field of one line, without what would change the text around it. */
export function tidyLine(typed: string): string {
  return typed.normalize('NFC').replace(BETWEEN_WORDS, ' ').trim();
}

/** The same of a field of many lines, of which no more than one in a row is empty. */
export function tidyLines(typed: string): string {
  return typed
    .normalize('NFC')
    .replace(/\r\n?/g, '\n')
    .replace(WITHIN_LINE, ' ')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
