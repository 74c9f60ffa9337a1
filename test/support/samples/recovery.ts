import type { Sample } from '../page-samples.ts';

const APP = { name: 'Harbour Notes' };
const ACCOUNT = 'ada.lovelace@example.com';
const LONG = `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`;
const BASE = { base: '/base', abortAction: '/abort', app: APP };
const FORM = { ...BASE, action: '/post' };
const CODE = { ...FORM, sendAction: '/send', identifier: ACCOUNT, waiting: true };
const SENT = { ...BASE, identifier: ACCOUNT, againAction: '/again' };
const NEW = { action: '/post', account: ACCOUNT, minLength: 15 };

/** Pages of password reset and of signing in by code. */
export const SAMPLES: Sample[] = [
  {
    name: 'login with other ways',
    page: 'login',
    locals: { ...FORM, offers: ['reset-password', 'code', 'register'] },
  },
  {
    name: 'password with other ways',
    page: 'password',
    locals: {
      ...FORM,
      account: ACCOUNT,
      switchAction: '/switch',
      offers: ['reset-password', 'code'],
    },
  },
  { name: 'code', page: 'code', locals: CODE },
  { name: 'code refused', page: 'code', locals: { ...CODE, error: 'code_wrong' } },
  {
    name: 'code throttled',
    page: 'code',
    locals: { ...CODE, identifier: LONG, error: 'throttled', retryAfter: 30 },
  },
  { name: 'code sent again', page: 'code', locals: { ...CODE, again: 'yes' } },
  { name: 'code by link', page: 'code', locals: { ...CODE, link: 'token' } },
  { name: 'code by link without app', page: 'code', locals: { action: '/post', link: 'token' } },
  { name: 'code not asked for', page: 'code', locals: { ...CODE, waiting: false } },
  { name: 'reset-password', page: 'reset-password', locals: FORM },
  {
    name: 'reset-password refused',
    page: 'reset-password',
    locals: { ...FORM, error: 'identifier_missing' },
  },
  {
    name: 'reset-password throttled',
    page: 'reset-password',
    locals: { ...FORM, identifier: ACCOUNT, error: 'throttled', retryAfter: 3600 },
  },
  { name: 'reset-password-sent', page: 'reset-password-sent', locals: SENT },
  {
    name: 'reset-password-sent again',
    page: 'reset-password-sent',
    locals: { ...SENT, identifier: LONG, again: 'yes' },
  },
  {
    name: 'reset-password-sent throttled',
    page: 'reset-password-sent',
    locals: { ...SENT, error: 'throttled', retryAfter: 64 },
  },
  { name: 'reset-password-new', page: 'reset-password-new', locals: NEW },
  {
    name: 'reset-password-new refused',
    page: 'reset-password-new',
    locals: { ...NEW, account: LONG, error: 'password_context' },
  },
  {
    name: 'reset-password-done',
    page: 'reset-password-done',
    locals: { account: ACCOUNT, nextUrl: '/account' },
  },
];
