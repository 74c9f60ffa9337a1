import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const USER = {
  email: 'ada.lovelace@example.com',
  email_verified_at: new Date(0),
  phone_number: '+442079460018',
  phone_number_verified_at: null,
};
const CHOICES = {
  attributes: [{ field: 'attribute_department', label: 'Department', value: 'Analysis' }],
  languages: [
    ['en', 'English'],
    ['de', 'Deutsch'],
  ],
  zones: ['Europe/Berlin', 'Europe/London', 'America/Argentina/ComodRivadavia'],
};

const PASSWORD_FORM = {
  ...ACCOUNT_PAGE,
  form: true,
  setAt: 'Nov 24, 2026, 10:15 AM UTC',
  account: USER.email,
  words: [USER.email],
  minLength: 15,
};

/** Profile, picture, address, phone and password. */
export const SAMPLES: Sample[] = [
  {
    name: 'account whose factors are said to be lost',
    page: 'account',
    locals: {
      ...ACCOUNT_PAGE,
      ...CHOICES,
      user: USER,
      values: {},
      recoveryAt: 'Nov 26, 2026, 5:05 PM UTC',
    },
  },
  {
    name: 'account',
    page: 'account',
    locals: {
      ...ACCOUNT_PAGE,
      ...CHOICES,
      frame: { ...ACCOUNT_PAGE.frame, done: 'profile' },
      user: USER,
      values: {
        given_name: 'Ada',
        family_name: 'Lovelace',
        username: 'ada',
        locale: 'de',
        zoneinfo: 'Europe/London',
      },
      phoneOffered: true,
    },
  },
  {
    name: 'account refused',
    page: 'account',
    locals: {
      ...LONG_ACCOUNT_PAGE,
      ...CHOICES,
      user: { ...USER, email: LONG_ACCOUNT_PAGE.frame.account, email_verified_at: null },
      values: { username: 'W'.repeat(300) },
      error: { field: 'username', key: 'username_taken' },
    },
  },
  { name: 'account-picture', page: 'account-picture', locals: ACCOUNT_PAGE },
  {
    name: 'account-picture refused',
    page: 'account-picture',
    locals: {
      ...ACCOUNT_PAGE,
      picture: '/base/assets/000000000000/favicon.svg',
      error: { key: 'dimensions' },
    },
  },
  {
    name: 'account-password',
    page: 'account-password',
    locals: { ...ACCOUNT_PAGE, setAt: 'Nov 24, 2026, 10:15 AM UTC' },
  },
  { name: 'account-password change', page: 'account-password', locals: PASSWORD_FORM },
  {
    name: 'account-password refused',
    page: 'account-password',
    locals: { ...PASSWORD_FORM, setAt: undefined, error: { key: 'password_too_short' } },
  },
  {
    name: 'account-email',
    page: 'account-email',
    locals: { ...ACCOUNT_PAGE, user: USER, email: '', mailOffered: true },
  },
  {
    name: 'account-email refused',
    page: 'account-email',
    locals: {
      ...ACCOUNT_PAGE,
      user: { ...USER, email: LONG_ACCOUNT_PAGE.frame.account },
      email: LONG_ACCOUNT_PAGE.frame.account,
      unverified: true,
      mailOffered: true,
      error: { key: 'throttled', retryAfter: 120 },
    },
  },
  {
    name: 'account-email off',
    page: 'account-email',
    locals: { ...ACCOUNT_PAGE, user: USER, mailOffered: false },
  },
  {
    name: 'account-email-code',
    page: 'account-email-code',
    locals: {
      ...ACCOUNT_PAGE,
      frame: { ...ACCOUNT_PAGE.frame, done: 'code' },
      address: 'countess@example.com',
    },
  },
  {
    name: 'account-email-code refused',
    page: 'account-email-code',
    locals: {
      ...ACCOUNT_PAGE,
      address: LONG_ACCOUNT_PAGE.frame.account,
      error: { key: 'throttled', retryAfter: 120 },
    },
  },
  {
    name: 'account-phone',
    page: 'account-phone',
    locals: { ...ACCOUNT_PAGE, user: USER, textOffered: true },
  },
  {
    name: 'account-phone refused',
    page: 'account-phone',
    locals: {
      ...ACCOUNT_PAGE,
      user: { ...USER, phone_number: null },
      phone: '020 7946 0018',
      textOffered: true,
      error: { key: 'invalid' },
    },
  },
  {
    name: 'account-phone-code',
    page: 'account-phone-code',
    locals: { ...ACCOUNT_PAGE, address: USER.phone_number, error: { key: 'wrong' } },
  },
  {
    name: 'account not found',
    page: 'error',
    locals: { ...ACCOUNT_PAGE, code: 'not_found', reference: '01J9Z6Q4T8' },
  },
];
