import { lookup as dnsLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Milliseconds until an answer must have begun, and bytes a header or body may take at once. */
const TIMEOUT = 5000;
const MAX_BODY = 1024 * 1024;

/**
 * fetch for addresses that someone else supplied (security 28). The address is checked when the
 * connection is made, after DNS, so that neither a redirect nor a second answer of the DNS server
 * leads to a private network; redirects aren't followed.
 *
 * @param allow networks that may be reached although they are private.
 */
export function createGuardedFetch(allow: readonly string[]): typeof globalThis.fetch {
  const allowed = allow.map((network) => ipaddr.parseCIDR(network));
  const permitted = (address: string): boolean => {
    const ip = ipaddr.process(address);
    if (ip.range() === 'unicast') return true;
    return allowed.some(
      ([net, bits]) => net.kind() === ip.kind() && ip.match([net, bits] as never),
    );
  };
  const lookup: LookupFunction = (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '', 0);
      const good = found.filter(({ address }) => permitted(address));
      const [first] = good;
      if (first === undefined) {
        return callback(new Error(`${hostname} is at a private address, which is refused`), '', 0);
      }
      if (options.all) (callback as unknown as (e: null, a: typeof good) => void)(null, good);
      else callback(null, first.address, first.family);
    });
  };
  let client: ReturnType<typeof openClient> | undefined;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (!/^https?:$/.test(url.protocol)) throw new TypeError(`${url.protocol} is not fetched`);
    if (ipaddr.isValid(host) && !permitted(host)) {
      throw new TypeError(`${host} is a private address, which is refused`);
    }
    client ??= openClient(lookup);
    const { fetch, dispatcher } = await client;
    const options = { ...init, redirect: 'manual', dispatcher } as Parameters<typeof fetch>[1];
    return (await fetch(url, options)) as unknown as Response;
  };
}

/** Loaded with the first request: many installations make none, and idle 6 MB smaller. */
async function openClient(lookup: LookupFunction) {
  const { Agent, fetch } = await import('undici');
  const dispatcher = new Agent({
    connect: { lookup, timeout: TIMEOUT },
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    maxResponseSize: MAX_BODY,
  });
  return { fetch, dispatcher };
}
