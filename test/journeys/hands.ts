import type { Page } from 'playwright-core';
import { pageNameOf } from '../login/live-browser.ts';

/** How somebody works a page: by what it says, whatever they point with. */
export type Hands = {
  /** Waits for one of our pages, by its name in the contract of login.md. */
  at: (name: string) => Promise<void>;
  /** Replaces what an empty or filled field says. */
  fill: (name: string, text: string) => Promise<void>;
  /** Presses the button or follows the link that says this, and nothing else. */
  press: (words: string) => Promise<void>;
};

/** More stops than any page has. */
const MOST_STOPS = 40;

/** Somebody with a mouse. */
export function withMouse(page: Page): Hands {
  return {
    at: (name) => arriveAt(page, name),
    fill: (name, text) => page.locator(`[name=${name}]`).fill(text),
    press: async (words) => {
      const named = { name: words, exact: true };
      await page.getByRole('button', named).or(page.getByRole('link', named)).click();
    },
  };
}

/** Somebody who only has Tab, Enter and letters. */
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
    press: async (words) => {
      await reach(words, `element.textContent.trim() === ${JSON.stringify(words)}`);
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
}

/** What the page tells password managers: `<name of the field> <autocomplete>`, in order. */
export function autocompleteOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(
    `[...document.querySelectorAll('input:not([type=hidden])')].map((input) => (input.name + ' ' + input.autocomplete).trim())`,
  );
}
