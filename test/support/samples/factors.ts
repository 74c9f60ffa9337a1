import { showKey } from '../../../src/totp/show-key.ts';
import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const ACCOUNT = 'ada.lovelace@example.com';
const STEP = {
  base: '/interaction/uid',
  action: '/post',
  abortAction: '/abort',
  switchAction: '/switch',
  app: { name: 'Harbour Notes' },
  account: ACCOUNT,
};
const KEY = showKey('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', 'Plinto', ACCOUNT);
const SHEET = {
  codes: Array.from('0123456789', (digit) => `${digit}V8K-Q2ZD-M4TX-93JW`),
  draft: 'x',
  account: ACCOUNT,
  date: 'November 24, 2026',
};
const SINCE = 'Nov 20, 2026, 8:02 AM';
const NOW = 'Nov 23, 2026, 9:14 PM';

/** Authenticator apps and recovery codes. */
export const SAMPLES: Sample[] = [
  {
    name: 'totp',
    page: 'totp',
    locals: { ...STEP, others: ['passkey', 'recovery-code'], rememberDays: 30 },
  },
  { name: 'totp wrong', page: 'totp', locals: { ...STEP, error: 'code_wrong', others: [] } },
  {
    name: 'totp drift',
    page: 'totp',
    locals: { ...STEP, app: undefined, error: 'code_drift', drift: -270, others: ['lost-factors'] },
  },
  {
    name: 'totp throttled',
    page: 'totp',
    locals: { ...STEP, error: 'throttled', retryAfter: 120, others: ['recovery-code'] },
  },
  {
    name: 'enrol-totp',
    page: 'enrol-totp',
    locals: { ...STEP, ...KEY, others: ['enrol-passkey', 'enrol-totp'] },
  },
  {
    name: 'enrol-totp wrong',
    page: 'enrol-totp',
    locals: { ...STEP, ...KEY, error: 'code_wrong', others: ['enrol-totp'] },
  },
  {
    name: 'recovery-code',
    page: 'recovery-code',
    locals: { ...STEP, others: ['totp', 'passkey', 'lost-factors'] },
  },
  {
    name: 'recovery-code wrong',
    page: 'recovery-code',
    locals: { ...STEP, error: 'code_wrong', others: ['totp'] },
  },
  {
    name: 'recovery-code throttled',
    page: 'recovery-code',
    locals: { ...STEP, error: 'throttled', retryAfter: 30, others: ['totp'] },
  },
  { name: 'recovery-codes', page: 'recovery-codes', locals: { ...STEP, ...SHEET } },
  {
    name: 'recovery-codes others',
    page: 'recovery-codes',
    locals: {
      ...STEP,
      ...SHEET,
      account: LONG_ACCOUNT_PAGE.frame.account,
      error: 'expired',
    },
  },
  {
    name: 'account-totp',
    page: 'account-totp',
    locals: { ...ACCOUNT_PAGE, on: false, ...KEY },
  },
  {
    name: 'account-totp wrong',
    page: 'account-totp',
    locals: { ...LONG_ACCOUNT_PAGE, on: false, ...KEY, error: 'code_drift', drift: 90 },
  },
  {
    name: 'account-totp on',
    page: 'account-totp',
    locals: { ...ACCOUNT_PAGE, on: true, since: SINCE, lastUsed: NOW },
  },
  {
    name: 'account-totp kept',
    page: 'account-totp',
    locals: { ...ACCOUNT_PAGE, on: true, since: SINCE, lastUsed: null, error: 'last_factor' },
  },
  { name: 'account-totp off', page: 'account-totp', locals: { ...ACCOUNT_PAGE, on: false } },
  {
    name: 'account-recovery-codes',
    page: 'account-recovery-codes',
    locals: {
      ...ACCOUNT_PAGE,
      left: 8,
      possible: true,
      few: false,
      createdAt: SINCE,
      lastUsedAt: NOW,
    },
  },
  {
    name: 'account-recovery-codes few',
    page: 'account-recovery-codes',
    locals: {
      ...LONG_ACCOUNT_PAGE,
      left: 1,
      possible: true,
      few: true,
      createdAt: SINCE,
      lastUsedAt: null,
    },
  },
  {
    name: 'account-recovery-codes none',
    page: 'account-recovery-codes',
    locals: { ...ACCOUNT_PAGE, left: 0, possible: true, few: true },
  },
  {
    name: 'account-recovery-codes without a factor',
    page: 'account-recovery-codes',
    locals: { ...ACCOUNT_PAGE, left: 0, possible: false, few: true },
  },
  {
    name: 'account-recovery-codes new',
    page: 'account-recovery-codes',
    locals: { ...ACCOUNT_PAGE, ...SHEET, replaces: true },
  },
];
