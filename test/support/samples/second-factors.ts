import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const APP = { name: 'Harbour Notes' };
const STEP = {
  base: '/interaction/uid',
  action: '/post',
  sendAction: '/send',
  abortAction: '/abort',
  app: APP,
  account: 'ada.lovelace@example.com',
};
const SMS = { ...STEP, channel: 'sms', address: '+44\u00a0•••\u00a01234' };
const MAIL = { ...STEP, channel: 'email', address: 'a•••@example.com' };
const NOW = 'Nov 23, 2026, 9:14 PM';
const SINCE = 'Nov 20, 2026, 8:02 AM';
const DEVICE = {
  id: '0193',
  here: false,
  browser: 'Firefox',
  system: 'Linux',
  place: 'Lisbon, Portugal',
  ip: '198.51.100.7',
  since: SINCE,
  lastUsed: NOW,
  until: 'Dec 20, 2026, 8:02 AM',
};
const OFF = { on: false, number: undefined, lastUsed: undefined };
const METHODS = [
  { factor: 'passkey', on: true, number: 2, lastUsed: NOW, path: '/passkeys' },
  { factor: 'totp', on: true, lastUsed: null, path: '/totp' },
  { factor: 'recovery-code', on: true, number: 8, lastUsed: SINCE, path: '/recovery-codes' },
  { factor: 'sms', ...OFF, path: '/message-codes' },
  { factor: 'email', ...OFF, path: '/message-codes' },
  { factor: 'trusted-devices', ...OFF, path: '/devices' },
];
const CHANNELS = [
  {
    channel: 'sms',
    on: true,
    address: '+447946000123',
    possible: true,
    since: SINCE,
    lastUsed: NOW,
  },
  { channel: 'email', on: false, address: 'ada.lovelace@example.com', possible: true },
];

/** Second factors on the way in and in the account. */
export const SAMPLES: Sample[] = [
  {
    name: 'sms-code',
    page: 'sms-code',
    locals: { ...SMS, others: ['passkey', 'totp', 'mail-code', 'recovery-code'], rememberDays: 30 },
  },
  {
    name: 'sms-code sent',
    page: 'sms-code',
    locals: { ...SMS, waiting: true, others: ['totp', 'recovery-code'], rememberDays: 30 },
  },
  {
    name: 'sms-code wrong',
    page: 'sms-code',
    locals: { ...SMS, waiting: true, error: 'code_wrong', others: [], rememberDays: 0 },
  },
  {
    name: 'sms-code asked for too often',
    page: 'sms-code',
    locals: { ...SMS, error: 'messages', retryAfter: 300, others: ['totp'] },
  },
  {
    name: 'sms-code turned on',
    page: 'sms-code',
    locals: { ...SMS, enrolling: true, others: ['sms-code', 'enrol-totp'] },
  },
  {
    name: 'mail-code',
    page: 'mail-code',
    locals: { ...MAIL, others: ['totp'], rememberDays: 30 },
  },
  {
    name: 'mail-code worthless',
    page: 'mail-code',
    locals: { ...MAIL, error: 'code_exhausted', others: [], app: undefined },
  },
  {
    name: 'enrol-mfa',
    page: 'enrol-mfa',
    locals: { ...STEP, choices: ['enrol-passkey', 'enrol-totp', 'sms-code', 'mail-code'] },
  },
  {
    name: 'enrol-mfa without app',
    page: 'enrol-mfa',
    locals: { ...STEP, app: undefined, choices: ['enrol-totp', 'sms-code'] },
  },
  {
    name: 'account-password with factors',
    page: 'account-password',
    locals: { ...ACCOUNT_PAGE, setAt: SINCE, methods: METHODS },
  },
  {
    name: 'account-password without any',
    page: 'account-password',
    locals: {
      ...ACCOUNT_PAGE,
      methods: [{ factor: 'passkey', ...OFF, path: '/passkeys' }],
    },
  },
  {
    name: 'account-message-codes',
    page: 'account-message-codes',
    locals: { ...ACCOUNT_PAGE, channels: CHANNELS },
  },
  {
    name: 'account-message-codes kept',
    page: 'account-message-codes',
    locals: {
      ...ACCOUNT_PAGE,
      error: 'last_factor',
      channels: [CHANNELS[0], { channel: 'email', on: false, possible: false }],
    },
  },
  {
    name: 'account-message-codes none',
    page: 'account-message-codes',
    locals: { ...ACCOUNT_PAGE, channels: [] },
  },
  {
    name: 'account-devices',
    page: 'account-devices',
    locals: {
      ...ACCOUNT_PAGE,
      rememberDays: 30,
      devices: [
        { ...DEVICE, here: true },
        { ...DEVICE, browser: undefined, system: undefined, place: null },
      ],
    },
  },
  {
    name: 'account-devices long',
    page: 'account-devices',
    locals: {
      ...LONG_ACCOUNT_PAGE,
      rememberDays: 30,
      devices: [{ ...DEVICE, place: 'Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch' }],
    },
  },
  {
    name: 'account-devices none',
    page: 'account-devices',
    locals: { ...ACCOUNT_PAGE, devices: [], rememberDays: 30 },
  },
  {
    name: 'account-devices off',
    page: 'account-devices',
    locals: { ...ACCOUNT_PAGE, devices: [], rememberDays: 0 },
  },
];
