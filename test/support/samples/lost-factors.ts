import type { Sample } from '../page-samples.ts';

const APP = { name: 'Harbour Notes' };
const EMAIL = 'ada.lovelace@example.com';
const STEP = {
  base: '/interaction/uid',
  action: '/post',
  abortAction: '/abort',
  switchAction: '/switch',
  app: APP,
  account: EMAIL,
  identifier: EMAIL,
  email: EMAIL,
  delay: 172_800,
  others: ['passkey', 'totp', 'recovery-code'],
};
const LONG = `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`;

/** What those meet who lost their second factors, where the installation lets them in after a wait. */
export const SAMPLES: Sample[] = [
  { name: 'lost-factors', page: 'lost-factors', locals: { ...STEP, state: 'start' } },
  {
    name: 'lost-factors throttled',
    page: 'lost-factors',
    locals: { ...STEP, state: 'start', error: 'throttled', retryAfter: 3600 },
  },
  {
    name: 'lost-factors waiting',
    page: 'lost-factors',
    locals: { ...STEP, state: 'wait', readyAt: 'Nov 26, 2026, 5:05 PM UTC' },
  },
  { name: 'lost-factors ready', page: 'lost-factors', locals: { ...STEP, state: 'send' } },
  { name: 'lost-factors code', page: 'lost-factors', locals: { ...STEP, state: 'enter' } },
  {
    name: 'lost-factors code wrong',
    page: 'lost-factors',
    locals: { ...STEP, state: 'enter', error: 'code_wrong' },
  },
  {
    name: 'lost-factors hostile',
    page: 'lost-factors',
    locals: { ...STEP, state: 'enter', email: LONG, app: { name: '<img src=x>'.repeat(20) } },
  },
  {
    name: 'cancel-recovery',
    page: 'cancel-recovery',
    locals: { action: '/post', account: EMAIL, nextUrl: '/account/password' },
  },
  {
    name: 'cancel-recovery done',
    page: 'cancel-recovery',
    locals: { action: '/post', account: LONG, done: true, nextUrl: '/account/password' },
  },
];
