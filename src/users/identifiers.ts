import { domainToASCII } from 'node:url';
import type { User } from './store.ts';

/** Longest address that fits in a mail's envelope (RFC 5321 §4.5.3.1.3); usernames are shorter. */
export const MAX_IDENTIFIER = 254;

/** Dot-atoms only (RFC 5322 §3.2.3, with UTF-8 per RFC 6531): no quotes, lists, routes or comments. */
const LOCAL_PART = /^[^\s@,;:<>()[\]\\".\p{C}]+(?:\.[^\s@,;:<>()[\]\\".\p{C}]+)*$/u;
const DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** What no domain has, and the URL parser behind domainToASCII would decode or cut off. */
const NOT_IN_DOMAIN = /[^a-z0-9.\u0080-\u{10ffff}-]/u;
const USERNAME = /^[\p{L}\p{N}](?:[\p{L}\p{N}._-]{0,62}[\p{L}\p{N}])?$/u;

/**
 * The one form of an address that is stored, compared and mailed: NFKC, domain in lower case and
 * Punycode. Undefined when it isn't a single plain address.
 */
export function canonicalEmail(input: string): string | undefined {
  const value = input.normalize('NFKC').trim();
  const at = value.lastIndexOf('@');
  const local = value.slice(0, at);
  const written = value.slice(at + 1).toLowerCase();
  const domain = NOT_IN_DOMAIN.test(written) ? '' : domainToASCII(written);
  if (at < 1 || !LOCAL_PART.test(local) || !DOMAIN.test(domain)) return undefined;
  const octets = Buffer.byteLength(local);
  return octets <= 64 && octets + 1 + domain.length <= MAX_IDENTIFIER
    ? `${local}@${domain}`
    : undefined;
}

/**
 * An identifier in the lower case by which the database finds it, for counting: letter by letter, so
 * that no two spellings that it takes for one are counted apart. JavaScript's own makes two of an İ.
 */
export function foldCase(identifier: string): string {
  return Array.from(identifier, (letter) => [...letter.toLowerCase()][0]).join('');
}

/** The identifier under which a person knows their account. */
export function accountName(user: Pick<User, 'email' | 'username'> | undefined): string {
  return user?.email ?? user?.username ?? '';
}

/** The name by which others know a person; the identifier of who has none. */
export function personName(
  user: Pick<User, 'name' | 'given_name' | 'family_name' | 'email' | 'username'>,
): string {
  const parts = [user.given_name, user.family_name].filter(Boolean).join(' ');
  return user.name || parts || accountName(user);
}

/** What somebody typed to sign in, in the form that is stored; as it is where it has none. */
export function canonicalIdentifier(input: string): string {
  const canonical = input.includes('@') ? canonicalEmail(input) : canonicalUsername(input);
  return canonical ?? input;
}

/** The stored form of a username: NFKC; letters, digits and inner `._-`, at most 64, never an `@`. */
export function canonicalUsername(input: string): string | undefined {
  const value = input.normalize('NFKC').trim();
  return USERNAME.test(value) ? value : undefined;
}
