import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { pageNameOf } from '../login/live-browser.ts';
import { axeViolations, SCHEMES } from '../support/browser.ts';

/** How somebody works a page: by what it says, whatever they point with. */
export type Hands = {
  /** Waits for one of our pages, by its name in the contract of login.md. */
  at: (name: string) => Promise<void>;
  /** Replaces what an empty or filled field says. */
  fill: (name: string, text: string) => Promise<void>;
  /** Ticks a box. */
  tick: (name: string) => Promise<void>;
  /** Presses the button or follows the link that says this, and nothing else. */
  press: (words: string) => Promise<void>;
};

/** For people to look at every page on the way: SCREENSHOT_DIR=/some/folder npx vitest run test/journeys */
const PICTURES = process.env.SCREENSHOT_DIR;

/** More stops than any page has. */
const MOST_STOPS = 40;

/** Somebody with a mouse. */
export function withMouse(page: Page): Hands {
  return {
    at: (name) => arriveAt(page, name),
    fill: (name, text) => page.locator(`[name=${name}]`).fill(text),
    tick: (name) => page.locator(`[name=${name}]`).check(),
    press: async (words) => {
      const named = { name: words, exact: true };
      await page.getByRole('button', named).or(page.getByRole('link', named)).click();
    },
  };
}

/** Somebody with a mouse, who looks at each page with axe before working it. */
export function withMouseAndAxe(page: Page): Hands {
  const hands = withMouse(page);
  return {
    ...hands,
    at: async (name) => {
      await hands.at(name);
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        expect(await axeViolations(page), `${name} ${colorScheme}`).toEqual([]);
      }
    },
  };
}

/** Somebody who only has Tab, Enter, Space and letters. */
export function withKeyboard(page: Page): Hands {
  const reach = async (what: string, test: string): Promise<void> => {
    for (let stops = 0; stops <= MOST_STOPS; stops += 1) {
      const found = await page.evaluate<boolean>(
        `((element) => ${test})(document.activeElement ?? document.body)`,
      );
      if (found) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab never reaches ${what} on ${page.url()}`);
  };
  return {
    at: async (name) => {
      await arriveAt(page, name);
      // Typing may begin where the page says, without looking for it.
      if ((await page.locator('[autofocus]').count()) > 0) {
        await page.locator('[autofocus]:focus').waitFor();
      }
    },
    fill: async (name, text) => {
      await reach(name, `element.name === ${JSON.stringify(name)}`);
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type(text);
    },
    tick: async (name) => {
      await reach(name, `element.name === ${JSON.stringify(name)}`);
      await page.keyboard.press('Space');
    },
    press: async (words) => {
      await reach(
        words,
        `(element.ariaLabel ?? element.textContent).trim() === ${JSON.stringify(words)}`,
      );
      await page.keyboard.press('Enter');
    },
  };
}

async function arriveAt(page: Page, name: string): Promise<void> {
  await page
    .locator(`main[data-page="${name}"]`)
    .waitFor()
    .catch(async (error: Error) => {
      const shown = await pageNameOf(page).catch(() => undefined);
      throw new Error(`${error.message}\nat ${page.url()}, which shows ${shown}`);
    });
  await page.waitForLoadState();
  if (PICTURES === undefined) return;
  const lang = await page.locator('html').getAttribute('lang');
  await takePictures(page, join(PICTURES, `${name}-${lang}`));
}

async function takePictures(page: Page, path: string): Promise<void> {
  const before = page.viewportSize() ?? { width: 1280, height: 720 };
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      await page.screenshot({ path: `${path}-${colorScheme}-${width}.png`, fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

/** What the page tells password managers: `<name of the field> <autocomplete>`, in order. */
export function autocompleteOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(
    `[...document.querySelectorAll('input:not([type=hidden])')].map((input) => (input.name + ' ' + input.autocomplete).trim())`,
  );
}
