import { readDigits } from '../../mfa/read-digits.ts';

/** ITU-T E.164 §6.2.1: a country code, which never begins with 0, and 15 digits at most in all. */
const NUMBER = /^\+[1-9]\d{7,14}$/;

/**
 * The one form of a phone number that is stored and written to: `+` and digits. Undefined when what
 * was typed isn't a number with its country code; spaces, dashes, dots and brackets don't matter, nor
 * in which script the digits are, nor whether it begins with + or 00.
 */
export function canonicalPhoneNumber(typed: string): string | undefined {
  const number = readDigits(typed)
    .replace(/[().\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/^00/, '+');
  return NUMBER.test(number) ? number : undefined;
}
