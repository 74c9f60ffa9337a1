import argon2 from 'argon2';
import { decodeDigest, decodeSalt, type PasswordScheme } from './scheme.ts';

const MAX_MEMORY_KIB = 131_072;
const MAX_PASSES = 10;
/** Memory times passes: a second or two. */
const MAX_WORK_KIB = 4 * MAX_MEMORY_KIB;
const MAX_LANES = 16;
/** Bytes of salt (RFC 9106 §3.1). */
const MIN_SALT = 8;

const SHAPE = /^\$argon2(?:id|i|d)(?:\$v=(?:16|19))?\$([mtp=\d,]{1,40})\$([^$]+)\$([^$]+)$/;

/** argon2id, argon2i and argon2d, as PHC strings; without `v`, version 1.0. */
export const ARGON2: PasswordScheme = {
  begins: /^\$argon2(?:id|i|d)\$/,
  read: (hash) => {
    const [, parameters = '', salt = '', digest = ''] = SHAPE.exec(hash) ?? [];
    const costs = readCosts(parameters);
    const enough = (decodeSalt(salt)?.length ?? 0) >= MIN_SALT && decodeDigest(digest);
    if (costs === undefined || !enough) return undefined;
    const { m, t, p } = costs;
    return {
      affordable: m <= MAX_MEMORY_KIB && t <= MAX_PASSES && p <= MAX_LANES && m * t <= MAX_WORK_KIB,
      verify: (password) => argon2.verify(hash, password),
    };
  },
};

/** The three costs in whatever order they are in. */
function readCosts(text: string): Record<'m' | 't' | 'p', number> | undefined {
  const pairs = text.split(',').map((part) => /^([mtp])=([1-9]\d{0,9})$/.exec(part));
  const costs = new Map(pairs.map((pair) => [pair?.[1], Number(pair?.[2])]));
  const [m, t, p] = ['m', 't', 'p'].map((name) => costs.get(name));
  if (m === undefined || t === undefined || p === undefined || pairs.length !== 3) return undefined;
  // RFC 9106 §3.1: two blocks for each of four slices of a lane.
  return m >= 8 * p ? { m, t, p } : undefined;
}
