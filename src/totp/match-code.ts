import { createGuardrails, ScureBase32Plugin, verifySync } from 'otplib';
import { readDigits } from '../mfa/read-digits.ts';

/** What RFC 6238 leaves open, and the key; those that were imported may differ from ours. */
export type TotpKey = {
  /** Base32 (RFC 4648 §6). */
  secret: string;
  algorithm: 'sha1' | 'sha256' | 'sha512';
  digits: number;
  /** Seconds. */
  period: number;
};

export type CodeMatch =
  /** The time step that it is of, to be used up. */
  | { kind: 'right'; step: number }
  /** It is of another time: by this clock, the app's is so many seconds ahead (or behind, below 0). */
  | { kind: 'drift'; seconds: number }
  | { kind: 'missing' | 'wrong' };

/** Keys of 80 bits came from many an installation; the library's own floor is 128. */
const GUARDRAILS = createGuardrails({ MIN_SECRET_BYTES: 10 });

/** Seconds by which an app's clock may be off for its code to be known as such, though refused. */
const FAR = 600;

const KEY_BYTES = 20;

/** A new key of 160 bits, as RFC 4226 §4 recommends, in base32. */
export function createKey(randomBytes: (size: number) => Buffer): string {
  return new ScureBase32Plugin().encode(randomBytes(KEY_BYTES), { padding: false });
}

/**
 * Compares what somebody typed, in whatever digits, with the codes of now and of one time step to
 * either side (RFC 6238 §5.2). Whether the step was used before is not looked at.
 *
 * @param now epoch seconds.
 */
export function matchCode(key: TotpKey, typed: string, now: number): CodeMatch {
  const token = readDigits(typed);
  if (token === '') return { kind: 'missing' };
  // The library throws on these; they are wrong codes like others.
  if (!/^\d+$/.test(token) || token.length !== key.digits) return { kind: 'wrong' };
  const near = findStep(key, token, now, key.period);
  if (near !== undefined) return { kind: 'right', step: near };
  const far = findStep(key, token, now, FAR);
  if (far === undefined) return { kind: 'wrong' };
  return { kind: 'drift', seconds: (far - Math.floor(now / key.period)) * key.period };
}

/** The step whose code this is, of those that are no further than `reach` seconds from now. */
function findStep(key: TotpKey, token: string, now: number, reach: number): number | undefined {
  try {
    const result = verifySync({
      ...key,
      digits: key.digits as 6 | 7 | 8,
      token,
      epoch: now,
      epochTolerance: reach,
      guardrails: GUARDRAILS,
    });
    return result.valid && 'timeStep' in result ? result.timeStep : undefined;
  } catch {
    // An imported key that is too short, or no base32, has no codes.
    return undefined;
  }
}
