import { domainToASCII, domainToUnicode } from 'node:url';

/** What is put before a domain to get the name of its record. */
const LABEL = '_plinto-challenge.';

/** Longest name there is, in its usual notation (RFC 1035 §2.3.4). */
const MAX_NAME = 253;

/** At least two labels, the last of which is no number, as those of IPv4 addresses are. */
const DOMAIN =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** What no domain has, and the URL parser behind domainToASCII would decode or cut off. */
const NOT_IN_DOMAIN = /[^a-z0-9.\u0080-\u{10ffff}-]/u;

/**
 * The one form of a domain that is stored and compared: NFKC, lower case, Punycode, as in canonical
 * addresses. Undefined when it can't be part of an address on the internet.
 */
export function canonicalDomain(input: string): string | undefined {
  const written = input.normalize('NFKC').trim().toLowerCase().replace(/\.$/, '');
  if (written.length > MAX_NAME || NOT_IN_DOMAIN.test(written)) return undefined;
  const name = domainToASCII(written);
  return DOMAIN.test(name) && recordName(name).length <= MAX_NAME ? name : undefined;
}

/** A domain as its owner writes it, where that is another form than the canonical one. */
export function writtenDomain(name: string): string | undefined {
  const written = domainToUnicode(name);
  return written === name || written === '' ? undefined : written;
}

/** The name of the TXT record that proves a domain. */
export function recordName(domain: string): string {
  return LABEL + domain;
}

/** What the record says. */
export function recordValue(token: string): string {
  return PREFIX + token;
}

/** How a record that was made for this begins, whomever it proves. */
export const PREFIX = 'plinto-verification=';
