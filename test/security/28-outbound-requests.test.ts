import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';

let server: Server;
let port: number;
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((req, res) => {
    asked.push(String(req.url));
    if (req.url === '/redirect')
      res.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end();
    else if (req.url === '/endless') {
      const more = () => {
        while (res.writable && res.write('x'.repeat(65_536)));
      };
      res.on('drain', more);
      more();
    } else res.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('security 28: requests to addresses that someone else supplied', () => {
  const guarded = createGuardedFetch([]);

  test.each([
    ['loopback', '127.0.0.1'],
    ['loopback elsewhere in its network', '127.9.9.9'],
    ['loopback in short', '127.1'],
    ['loopback in decimal', '2130706433'],
    ['loopback in octal', '0177.0.0.1'],
    ['loopback in hexadecimal', '0x7f.0.0.1'],
    ['this host', '0.0.0.0'],
    ['IPv6 loopback', '[::1]'],
    ['unspecified IPv6', '[::]'],
    ['IPv4 in IPv6', '[::ffff:127.0.0.1]'],
    ['IPv4 in IPv6, hexadecimal', '[::ffff:7f00:1]'],
    ['NAT64', '[64:ff9b::7f00:1]'],
    ['6to4', '[2002:7f00:1::]'],
    ['private 10/8', '10.0.0.1'],
    ['private 172.16/12', '172.16.0.1'],
    ['private 192.168/16', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['link-local, where clouds keep credentials', '169.254.169.254'],
    ['IPv6 link-local', '[fe80::1]'],
    ['IPv6 unique local', '[fd00::1]'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['a name that resolves to loopback', 'localhost'],
  ])('security 28: %s is refused (%s)', async (_what, host) => {
    const before = asked.length;
    const error = await guarded(`http://${host}:${port}/`).catch((e: unknown) => e);
    expect(messages(error)).toMatch(/private address/);
    expect(asked.length).toBe(before);
  });

  test.each(['file:///etc/passwd', 'ftp://example.com/', 'data:text/plain,x'])(
    'security 28: %s is not fetched',
    async (url) => {
      await expect(guarded(url)).rejects.toThrow(/is not fetched/);
    },
  );

  test('security 28: an allowed network is reached, its neighbours are not', async () => {
    const allowing = createGuardedFetch(['127.0.0.1/32']);
    expect(await (await allowing(`http://127.0.0.1:${port}/`)).text()).toBe('hello');
    await expect(allowing(`http://127.0.0.2:${port}/`)).rejects.toThrow(/private address/);
  });

  test('security 28: a redirect is handed back, not followed', async () => {
    const allowing = createGuardedFetch(['127.0.0.0/8']);
    const response = await allowing(`http://127.0.0.1:${port}/redirect`, { redirect: 'follow' });
    expect(response.status).toBe(302);
  });

  test('security 28: an answer without end is cut off', async () => {
    const allowing = createGuardedFetch(['127.0.0.0/8']);
    const response = await allowing(`http://127.0.0.1:${port}/endless`);
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  test("security 28: a caller's own dispatcher does not get around the check", async () => {
    const { Agent } = await import('undici');
    const init = { dispatcher: new Agent() } as unknown as RequestInit;
    await expect(guarded(`http://127.0.0.1:${port}/`, init)).rejects.toThrow(/private address/);
  });
});

function messages(error: unknown): string {
  const parts: string[] = [];
  for (let e = error; e instanceof Error; e = e.cause) parts.push(e.message);
  return parts.join(' < ');
}
