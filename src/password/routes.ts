import { setTimeout as wait } from 'node:timers/promises';
import Router from '@koa/router';
import { createBoundedQueue } from '../crypto/bounded-queue.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import type { Renderer } from '../http/render.ts';
import type { PasswordRules } from './password-rules.ts';
import { MAX_PASSWORD_LENGTH } from './rules.ts';
import { describeStrength } from './strength.ts';

/** Texts of the page that count as words of the person; more than any form has. */
const MAX_WORDS = 20;
const MAX_WORD = 254;
/** Ratings that may wait: one that comes after a second or two is about letters long changed. */
const QUEUE = 8;

/**
 * `POST /password-strength`: what the meter shows of `new_password`, given the page's other `words`
 * (one a line) and its language (`lang`). Says nothing that the rules don't, and keeps nothing.
 */
export function passwordRoutes(parts: {
  passwordRules: PasswordRules;
  renderer: Renderer;
  csrf: Csrf;
}): Router {
  const { passwordRules, renderer, csrf } = parts;
  const router = new Router();
  const queue = createBoundedQueue(1, QUEUE);

  router.post('/password-strength', async (ctx) => {
    csrf.checkOrigin(ctx);
    const form = await readForm(ctx);
    // One character too long is as good as thousands.
    const password = [...(form.new_password ?? '')].slice(0, MAX_PASSWORD_LENGTH + 1).join('');
    const words = (form.words ?? '').split(/\r?\n/, MAX_WORDS).map((w) => w.slice(0, MAX_WORD));
    const rating = await queue(async () => {
      const started = performance.now();
      const result = await passwordRules.rate(password, words);
      // Rating is done between requests: whoever asks for much of it gets a fifth of the process.
      await wait(4 * (performance.now() - started));
      return result;
    });
    ctx.state.uiLocales = form.lang;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = describeStrength(renderer.wordsFor(ctx), password, rating, passwordRules.minLength);
  });
  return router;
}
