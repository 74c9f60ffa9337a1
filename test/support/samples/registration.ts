import type { Sample } from '../page-samples.ts';

const APP = { name: 'Harbour Notes', clientUri: 'https://notes.example' };
const ADDRESS = 'ada.lovelace@example.com';
const FRAME = { base: '/interaction/1', action: '/post', abortAction: '/abort', app: APP };
const REGISTER = { ...FRAME, stamp: '1.stamp', minLength: 15 };
const LEGAL = { termsUrl: 'https://id.example/terms', privacyUrl: 'https://id.example/privacy' };
const VERIFY = { ...FRAME, address: ADDRESS, sent: 'id' };
const INVITATION = { action: '/post', account: ADDRESS, minLength: 15 };
const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const NAMES = { email: ADDRESS, given_name: 'Ada', family_name: 'Lovelace', terms: 'yes' };

/** Pages of signing up and of invitations. */
export const SAMPLES: Sample[] = [
  {
    name: 'login with sign-up',
    page: 'login',
    locals: { ...FRAME, offers: ['register'] },
  },
  { name: 'register', page: 'register', locals: { ...REGISTER, ...LEGAL } },
  { name: 'register bare', page: 'register', locals: { ...REGISTER, app: undefined } },
  {
    name: 'register refused password',
    page: 'register',
    locals: { ...REGISTER, ...LEGAL, form: NAMES, email: ADDRESS, error: 'password_context' },
  },
  {
    name: 'register without terms',
    page: 'register',
    locals: { ...REGISTER, ...LEGAL, form: { email: ADDRESS }, error: 'terms_missing' },
  },
  {
    name: 'register throttled',
    page: 'register',
    locals: { ...REGISTER, form: NAMES, email: ADDRESS, error: 'throttled', retryAfter: 300 },
  },
  {
    name: 'register hostile',
    page: 'register',
    locals: {
      ...REGISTER,
      email: ATTACK,
      termsUrl: 'javascript:window.hit=1',
      privacyUrl: `https://x.example/${ATTACK}`,
      form: { given_name: ATTACK, family_name: 'W'.repeat(300), terms: 'yes' },
      error: ATTACK,
    },
  },
  { name: 'verify-email', page: 'verify-email', locals: VERIFY },
  {
    name: 'verify-email wrong',
    page: 'verify-email',
    locals: { ...VERIFY, error: 'wrong' },
  },
  { name: 'verify-email resent', page: 'verify-email', locals: { ...VERIFY, resent: true } },
  { name: 'verify-email link', page: 'verify-email', locals: { ...VERIFY, link: 'token' } },
  { name: 'verify-email taken', page: 'verify-email', locals: { ...VERIFY, error: 'taken' } },
  {
    name: 'verify-email hostile',
    page: 'verify-email',
    locals: {
      ...VERIFY,
      address: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`,
      link: ATTACK,
    },
  },
  { name: 'link-elsewhere', page: 'link-elsewhere', locals: {} },
  {
    name: 'invitation',
    page: 'invitation',
    locals: { ...INVITATION, ...LEGAL, form: NAMES },
  },
  {
    name: 'invitation refused',
    page: 'invitation',
    locals: { ...INVITATION, form: NAMES, error: 'password_too_short' },
  },
  {
    name: 'invitation hostile',
    page: 'invitation',
    locals: { ...INVITATION, account: ATTACK, form: { given_name: ATTACK }, error: ATTACK },
  },
  { name: 'invitation done', page: 'invitation', locals: { account: ADDRESS, next: '/account' } },
  {
    name: 'invitation done with app',
    page: 'invitation',
    locals: { account: ADDRESS, next: 'https://notes.example/', app: APP.name },
  },
];
