import type { Context } from 'koa';
import type { Csrf } from '../http/csrf.ts';

/**
 * When a form was shown, in the form itself: signed, so that nothing has to be stored, and bound to
 * the interaction, so that a stamp can't be carried to another.
 */
export function createFormStamp(
  csrf: Csrf,
  now: () => Date,
): {
  make: (uid: string) => string;
  /** Seconds since the form was shown. @throws AppError csrf for a stamp that isn't ours. */
  age: (ctx: Context, uid: string, stamp: string) => number;
} {
  const binding = (uid: string, at: string): string => `register ${uid} ${at}`;
  return {
    make: (uid) => {
      const at = String(now().getTime());
      return `${at}.${csrf.token(binding(uid, at))}`;
    },
    age: (ctx, uid, stamp) => {
      const [at = '', signature] = stamp.split('.', 2);
      csrf.check(ctx, binding(uid, at), signature);
      return (now().getTime() - Number(at)) / 1000;
    },
  };
}
