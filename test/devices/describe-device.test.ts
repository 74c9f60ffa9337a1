import { expect, test } from 'vitest';
import { deviceName } from '../../src/devices/describe-device.ts';

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    'Chrome, Linux',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0',
    'Firefox, Windows',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15',
    'Safari, macOS',
  ],
  // Whoever has a password would otherwise write into the mail that warns of them.
  ['Your account is locked, go to evil.example/unlock 1', ''],
  ['curl/8.5.0', ''],
  ['', ''],
  [undefined, ''],
])('%s is called %j', (userAgent, name) => {
  expect(deviceName(userAgent)).toBe(name);
});
