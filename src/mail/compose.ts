import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs from 'ejs';
import type { I18n } from '../http/i18n.ts';
import { createWords, tidyLines, type Words } from '../http/words.ts';
import type { Mail, MailTemplate } from './mail.ts';

/** A mail in one language, in both forms that mail programs show. */
export type Composed = { subject: string; text: string; html: string };

export type Composer = {
  /**
   * Writes a mail in the language nearest to the one asked for, else in English.
   * @throws when there are no words for it.
   */
  compose: (mail: Pick<Mail, 'template' | 'vars' | 'locale' | 'zone'>) => Composed;
};

/** What a template's words are filled with. */
type Vars = Partial<Record<string, string>>;

/** Facts that are listed, by template; empty ones are left out. */
const FACTS: Partial<Record<MailTemplate, readonly string[]>> = {
  'new-device': ['device', 'place', 'at'],
  'factor-added': ['factor'],
  'factor-removed': ['factor'],
  'recovery-code-used': ['left'],
  'recovery-codes-few': ['left'],
  'passkey-suspicious': ['passkey'],
  'organization-removed': ['organization'],
  'organization-deletion-requested': ['organization'],
  'organization-deletion-cancelled': ['organization'],
  'organization-deleted': ['organization'],
  'organization-owner': ['organization'],
};

/** Moments of which only the day is of interest. */
const DAYS: readonly MailTemplate[] = ['deletion-requested', 'organization-deletion-requested'];

/**
 * Compiles the frames once, so that a broken one fails the start.
 *
 * @param options.codeTtl seconds that codes and links work, as mails say
 */
export function createComposer(options: {
  viewsDir: string;
  i18n: I18n;
  productName: string;
  issuer: string;
  codeTtl: number;
}): Composer {
  const { viewsDir, i18n, productName, issuer, codeTtl } = options;
  const frame = (name: string) => {
    const filename = join(viewsDir, 'mail', `${name}.ejs`);
    return ejs.compile(readFileSync(filename, 'utf8'), { filename, strict: true });
  };
  const frames = { html: frame('html'), text: frame('text') };
  return {
    compose: (mail) => {
      const { template } = mail;
      // While replicas are replaced, one may be asked for what only the next version can write.
      if (!i18n.has('en', `mail.${template}.subject`)) throw new Error(`no mail is a ${template}`);
      const lang = i18n.choose(mail.locale, undefined);
      const words = createWords(i18n, lang, productName);
      const { code, url, message, ...rest } = mail.vars as Vars;
      const vars = {
        ...rest,
        ...sayMoments(rest, lang, template, mail.zone),
        ...sayFactors(rest, i18n, lang),
        validity: words.duration(codeTtl),
      };
      const locals = {
        lang,
        dir: i18n.dir(lang),
        productName,
        title: words.t(`mail.${template}.title`),
        lead: words.rich(
          rest.inviter === '' ? `mail.${template}.lead_nobody` : `mail.${template}.lead`,
          vars,
        ),
        code,
        or: words.t('mail.or'),
        url,
        action: url === undefined ? '' : words.t(`mail.${template}.action`),
        copy: words.t('mail.copy'),
        message: message && tidyLines(message),
        facts: listFacts(words, template, vars),
        note: words.rich(`mail.${template}.note`, vars),
        footer: words.rich('mail.footer', { host: new URL(issuer).host }),
      };
      return {
        subject: words
          .rich(`mail.${template}.subject`, vars)
          .map(({ text }) => text)
          .join(''),
        text: frames
          .text(locals)
          .replace(/\n{3,}/g, '\n\n')
          .trim(),
        html: frames.html(locals),
      };
    },
  };
}

function listFacts(words: Words, template: MailTemplate, vars: Vars) {
  return (FACTS[template] ?? [])
    .filter((name) => vars[name])
    .map((name) => ({
      label: words.t(`mail.facts.${name}`),
      value: words.rich('mail.fact', { value: vars[name] }),
    }));
}

/** Moments and spans as they are said in a language. */
function sayMoments(
  { at, days }: Vars,
  lang: string,
  template: MailTemplate,
  zone: string | undefined,
): Vars {
  return {
    ...(at === undefined ? {} : { at: sayMoment(at, lang, DAYS.includes(template), zone) }),
    ...(days === undefined ? {} : { days: sayDays(days, lang) }),
  };
}

/** Factors by their names in a language, and numbers in its digits. */
function sayFactors({ factor, left }: Vars, i18n: I18n, lang: string): Vars {
  const key = `mail.factors.${factor}`;
  return {
    ...(i18n.has('en', key) ? { factor: i18n.translator(lang)(key) } : {}),
    ...(left === undefined ? {} : { left: new Intl.NumberFormat(lang).format(Number(left)) }),
  };
}

function sayMoment(at: string, lang: string, dayOnly: boolean, zone = 'UTC'): string {
  const day = { year: 'numeric', month: 'long', day: 'numeric' } as const;
  const time = { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' } as const;
  const format = dayOnly ? day : { ...day, ...time };
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return at;
  try {
    return new Intl.DateTimeFormat(lang, { ...format, timeZone: zone }).format(moment);
  } catch {
    // Zones come and go with the database of Node's version.
    return new Intl.DateTimeFormat(lang, { ...format, timeZone: 'UTC' }).format(moment);
  }
}

function sayDays(days: string, lang: string): string {
  const format = new Intl.NumberFormat(lang, { style: 'unit', unit: 'day', unitDisplay: 'long' });
  return /^\d+$/.test(days) ? format.format(Number(days)) : days;
}
