import type { Context } from 'koa';
import { hashToken } from '../crypto/token-hash.ts';
import type { Db, Trx } from '../deps.ts';
import { insertTrustedDevice, isTrustedDevice, noteTrustedDevice } from './store.ts';

const COOKIE = 'plinto_trusted';
const FORM = /^[\w-]{43}$/;
const MAX_USER_AGENT = 400;
const MAX_PLACE = 100;

/** Browsers in which a person isn't asked for a second factor for a while (login.md). */
export type TrustedDevices = {
  /** Days for which a browser is remembered; 0 for never. */
  rememberDays: number;
  /** Hash of the token that this browser has for the person, if any; it may count no longer. */
  read: (ctx: Context, userId: string) => Buffer | undefined;
  /** Whether this browser stands in for a second factor of the person. */
  isTrusted: (db: Db, ctx: Context, userId: string) => Promise<boolean>;
  /** Notes that it did. */
  noteUse: (trx: Trx, ctx: Context, userId: string) => Promise<void>;
  /** Remembers this browser from now on, with a token that nobody had before. */
  trust: (
    trx: Trx,
    ctx: Context,
    userId: string,
    randomBytes: (size: number) => Buffer,
  ) => Promise<void>;
};

/**
 * Keeps a random token in a cookie for each person of a browser; only its hash is stored, with what
 * its owner will know the browser by.
 */
export function createTrustedDevices(options: {
  secure: boolean;
  path: string;
  rememberDays: number;
  /** The header in which a proxy says where a client is. */
  placeHeader: string | undefined;
}): TrustedDevices {
  const { secure, path, rememberDays, placeHeader } = options;
  const nameOf = (userId: string): string => {
    const name = `${COOKIE}_${hashToken(`trusted ${userId}`).toString('base64url').slice(0, 8)}`;
    return secure ? `__Secure-${name}` : name;
  };
  const read = (ctx: Context, userId: string): Buffer | undefined => {
    const value = ctx.cookies.get(nameOf(userId), { signed: true });
    return value !== undefined && FORM.test(value) ? hashToken(value) : undefined;
  };
  return {
    rememberDays,
    read,
    isTrusted: async (db, ctx, userId) => {
      const token = rememberDays > 0 ? read(ctx, userId) : undefined;
      return token !== undefined && isTrustedDevice(db, userId, token, rememberDays);
    },
    noteUse: async (trx, ctx, userId) => {
      const token = read(ctx, userId);
      if (token !== undefined) await noteTrustedDevice(trx, userId, token);
    },
    trust: async (trx, ctx, userId, randomBytes) => {
      const token = randomBytes(32).toString('base64url');
      const place = placeHeader === undefined ? '' : ctx.get(placeHeader);
      const row = {
        userId,
        tokenHash: hashToken(token),
        ip: ctx.ip,
        userAgent: ctx.get('User-Agent').slice(0, MAX_USER_AGENT) || null,
        place: place.slice(0, MAX_PLACE) || null,
      };
      await insertTrustedDevice(trx, row, { replaces: read(ctx, userId), days: rememberDays });
      ctx.cookies.set(nameOf(userId), token, {
        signed: true,
        httpOnly: true,
        sameSite: 'lax',
        secure,
        path,
        maxAge: rememberDays * 86_400_000,
        overwrite: true,
      });
    },
  };
}
