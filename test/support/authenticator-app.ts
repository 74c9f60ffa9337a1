import { generateSync } from 'otplib';
import { findForm, type Page, pageName, type Visitor } from './visitor.ts';

/** Seconds for which an app shows a code (RFC 6238 §5.2). */
const PERIOD = 30;

/** An app on somebody's phone that took a key in. */
export type AuthenticatorApp = {
  /**
   * A code that wasn't used yet: of now, and the next time of the step that follows. A third within half
   * a minute is of a time that is too far away.
   */
  nextCode: () => string;
  /** Six digits that are no code of any time near. */
  wrongCode: () => string;
};

/** Takes in the key that a page shows as text, as somebody does whose camera is broken. */
export function takeKeyIn(html: string): AuthenticatorApp {
  const shown = /<code class="key">([^<]+)<\/code>/.exec(html)?.[1];
  if (shown === undefined) throw new Error('the page shows no key');
  const secret = shown.replaceAll(' ', '');
  const codeOf = (step: number) => generateSync({ secret, epoch: step * PERIOD });
  const stepNow = () => Math.floor(Date.now() / 1000 / PERIOD);
  let last = 0;
  return {
    nextCode: () => {
      last = Math.max(stepNow(), last + 1);
      return codeOf(last);
    },
    wrongCode: () => {
      const near = new Set(Array.from({ length: 60 }, (_, i) => codeOf(stepNow() + i - 30)));
      return ['000000', '000001', '000002'].find((code) => !near.has(code)) ?? '000003';
    },
  };
}

/** The recovery codes on a page that shows them. */
export function recoveryCodesIn(html: string): string[] {
  return [...html.matchAll(/<li><code>([^<]+)<\/code><\/li>/g)].map(([, code = '']) => code);
}

/**
 * Goes through the pages on which somebody turns an app on who needs a second factor to sign in: the
 * choice, the key, the recovery codes.
 *
 * @param stopAt where the browser is sent once they are in.
 */
export async function turnAppOn(
  visitor: Visitor,
  page: Page,
  stopAt?: string,
): Promise<{ page: Page; app: AuthenticatorApp; recoveryCodes: string[] }> {
  expectPage(page, 'enrol-mfa');
  const link = /href="([^"]+\/enrol-totp)"/.exec(page.html)?.[1] ?? '';
  const shown = await visitor.open(new URL(link, page.url).href);
  expectPage(shown, 'enrol-totp');
  const app = takeKeyIn(shown.html);
  const sheet = await visitor.submit(shown, '/enrol-totp', { code: app.nextCode() });
  expectPage(sheet, 'recovery-codes');
  const recoveryCodes = recoveryCodesIn(sheet.html);
  const { hidden } = findForm(sheet, '/recovery-codes');
  return {
    page: await visitor.submit(sheet, '/recovery-codes', hidden, stopAt),
    app,
    recoveryCodes,
  };
}

function expectPage(page: Page, name: string): void {
  if (pageName(page) !== name) throw new Error(`${page.url} shows ${pageName(page)}, not ${name}`);
}
