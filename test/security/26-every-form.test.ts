import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { twoHalves } from '../account/images.ts';
import {
  forgetThrottles,
  readEverything,
  type Scene,
  type Stage,
  send,
  startStage,
} from './every-form.ts';
import { FORMS } from './form-scenes.ts';

const SEED = 20261124;
const PATHS = Object.keys(FORMS);

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
});
beforeEach(() => forgetThrottles(stage));
afterAll(() => stage.stop());

async function set(path: string): Promise<Scene> {
  const scene = await FORMS[path]?.(stage);
  if (scene === undefined) throw new Error(`no form at ${path}`);
  return scene;
}

/** What breaks parsers, stores and templates, as well as plain noise. */
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }).map((text) => text.toWellFormed()),
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\u202e\u2066\u0000',
    'İ'.repeat(300),
    '😀'.repeat(500),
    'x'.repeat(30_000),
    '\ufdfa'.repeat(300),
    '-1',
    '1e999',
    'NaN',
    '９９９９９９９９',
    '٠١٢٣٤٥٦٧',
    'a@b',
    '@',
    'a@[127.0.0.1]',
    '"a\r\nBcc: x@y"@example.com',
    'a@example.com,b@example.com',
    'a@example.com\r\nRCPT TO:<b@example.com>',
    `${'a'.repeat(64)}@${'b.'.repeat(120)}com`,
    `x@${'ü'.repeat(2000)}.example`,
    '+49 151 / 123',
    '+9999999999999999999999',
    '../../etc/passwd',
    'C:\\x',
    'Etc/GMT+99',
    'xx-YY-zz',
    "'; DROP TABLE users; --",
    '{{7*191}}',
    '<script>alert(1)</script>',
    '[object Object]',
    'others',
    '%00%ff',
    '2026-11-24T00:00:00.000Z',
  ),
);
const EXTRA = [
  'link',
  'code',
  'identifier',
  'email',
  'sent',
  'a[b][c]',
  '__proto__',
  'constructor',
];

describe('security 26: whatever is typed into a form is answered, never with a 5xx:', () => {
  test.each(PATHS)('security 26: %s', async (path) => {
    const scene = await set(path);
    const { csrf, ...rest } = scene.fields;
    const names = [...Object.keys(rest), ...EXTRA];
    const fields = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fields, async (entries) => {
        const typed: [string, string][] = [...Object.entries(rest), ...entries];
        const { status, html } = await send({
          ...scene,
          fields: { ...Object.fromEntries(typed), csrf: String(csrf) },
        });
        expect(status).toBeLessThan(500);
        expect(html).not.toMatch(/\n\s+at |node_modules|select .* from|\.ts:\d+/i);
        expect(html).not.toContain('<script>alert');
      }),
      { numRuns: 7, seed: SEED },
    );
  });

  test.each(PATHS)('security 26: no body but a small plain form to %s', async (path) => {
    const { visitor, action, fields, files } = await set(path);
    const before = await readEverything(stage);
    const plain = 'application/x-www-form-urlencoded';
    const whole = new URLSearchParams(fields).toString();
    const tries: [string, string, number][] = [
      ...['&csrf=x', '&a=1&a=2', '&a[b]=1', '&a=%00'].map((more): [string, string, number] => [
        plain,
        whole + more,
        400,
      ]),
      [plain, `${whole}&a=${'x'.repeat(1024 * 1024)}`, 413],
      ['application/json', '{"csrf":"x"}', 415],
      ['text/plain', whole, 415],
    ];
    for (const [type, body, status] of tries) {
      const response = await visitor
        .request(action, { method: 'POST', headers: { 'content-type': type }, body })
        .catch((error: Error) => error);
      // The server may close the connection before all of it is sent.
      if (response instanceof Error) {
        expect(String(response.cause)).toMatch(/EPIPE|ECONNRESET|closed/);
      } else {
        await response.arrayBuffer();
        expect(response.status, body.slice(-20)).toBe(files === undefined ? status : 415);
      }
    }
    expect(await readEverything(stage)).toEqual(before);
  });
});

describe('security 26: a form with files', () => {
  let scene: Scene;
  let boundary: string;

  beforeAll(async () => {
    scene = await set('/account/picture');
    boundary = 'a-boundary-of-some-length-0123456789';
  });

  const part = (header: string, body: Buffer | string = '') =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\n${header}\r\n\r\n`),
      Buffer.from(body),
      Buffer.from('\r\n'),
    ]);
  const field = (name: string, body: string) =>
    part(`Content-Disposition: form-data; name="${name}"`, body);
  const file = (body: Buffer | string) =>
    part('Content-Disposition: form-data; name="picture"; filename="a.png"', body);
  const csrf = () => field('csrf', String(scene.fields.csrf));
  const end = () => Buffer.from(`--${boundary}--\r\n`);

  async function upload(parts: Buffer[], type = `multipart/form-data; boundary=${boundary}`) {
    const response = await scene.visitor
      .request(scene.action, {
        method: 'POST',
        headers: { 'content-type': type },
        body: new Uint8Array(Buffer.concat(parts)),
      })
      .catch((error: Error) => error);
    if (response instanceof Error) return { status: 0, page: '' };
    return { status: response.status, page: await response.text() };
  }

  test('security 26: as browsers send it is taken', async () => {
    const png = await twoHalves(30, 20).png();
    expect(await upload([csrf(), file(png), end()])).toMatchObject({ status: 303 });
  });

  test.each([
    [
      '40,000 fields',
      () => [Buffer.concat(Array.from({ length: 40_000 }, (_, i) => field(`a${i}`, 'x'))), end()],
    ],
    ['headers without end', () => [part(`A: b\r\n${'A: b\r\n'.repeat(800_000)}`), end()]],
    ['one header of a megabyte', () => [part(`A: ${'b'.repeat(1_000_000)}`), end()]],
    ['no end', () => [csrf(), Buffer.from(`--${boundary}\r\nContent-Disposition`)]],
    ['another boundary', () => [Buffer.from('--other\r\n\r\nx\r\n--other--\r\n')]],
    ['nothing', () => []],
    ['a field twice', () => [csrf(), field('picture', 'x'), file('x'), end()]],
    ['a NUL byte', () => [csrf(), field('a', 'b\0'), end()]],
    ['a NUL byte in a name', () => [csrf(), field('a\0', 'b'), end()]],
    ['no header', () => [part(''), end()]],
  ] as [string, () => Buffer[]][])(
    'security 26: with %s is refused at once',
    async (_what, parts) => {
      const { status } = await upload(parts());
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    },
  );

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary="',
    'multipart/form-data; boundary=a; boundary=b',
    'multipart/form-data; x="boundary=x"; boundary=y',
    `multipart/form-data; boundary=${'b'.repeat(5000)}`,
    'multipart/form-data; boundary=\u00e4; charset=utf-7',
    'multipart/form-data boundary=x',
    'MULTIPART/form-data;;;=;boundary',
  ])('security 26: of type %j is refused', async (type) => {
    const { status } = await upload([csrf(), file('x'), end()], type);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test('security 26: whatever bytes it has', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b));
    await fc.assert(
      fc.asyncProperty(
        fc.array(bytes, { maxLength: 3 }),
        fc.string({ maxLength: 40 }),
        async (files, name) => {
          const parts = files.map((b, i) =>
            part(`Content-Disposition: form-data; name="${name}${i}"`, b),
          );
          const { status } = await upload([csrf(), ...parts, end()]);
          expect(status).toBeLessThan(500);
        },
      ),
      { numRuns: 25, seed: SEED },
    );
  });

  /** A sender who never gets to the end. */
  async function stall(): Promise<Socket> {
    const cookie = await scene.visitor.jar.getCookieString(stage.issuer);
    const type = `Content-Type: multipart/form-data; boundary=${boundary}`;
    const head = `Host: x\r\nCookie: ${cookie}\r\n${type}\r\nContent-Length: 9000`;
    return new Promise((resolve) => {
      const socket = connect(stage.config.port, '127.0.0.1', () =>
        socket.write(`POST /account/picture HTTP/1.1\r\n${head}\r\n\r\n--`, () => resolve(socket)),
      );
    });
  }

  test('security 26: many at once don’t fill the memory, and senders who go away are forgotten', async () => {
    const statusNow = async () => (await upload([csrf(), file('x'), end()])).status;
    const senders: Socket[] = [];
    for (let i = 0; i < 16; i += 1) senders.push(await stall());
    await expect.poll(statusNow, { timeout: 10_000 }).toBe(503);
    for (const socket of senders) socket.destroy();
    await expect.poll(statusNow, { timeout: 10_000 }).toBe(422);
  });
});

test('security 26: nothing of all this was an error that nobody expected', () => {
  const errors = stage.logs
    .map((line) => JSON.parse(line))
    .filter(({ level, msg }) => level >= 50 && msg !== 'busy');
  expect(errors).toEqual([]);
});
