import type { Sample } from '../page-samples.ts';

const ACCOUNT = 'ada.lovelace@example.com';
const FORM = {
  action: '/post',
  abortAction: '/abort',
  switchAction: '/switch',
  account: ACCOUNT,
  minLength: 15,
  words: [ACCOUNT, 'Ada Lovelace'],
};

/** The step after a password that must be changed. */
export const SAMPLES: Sample[] = [
  { name: 'new-password', page: 'new-password', locals: { ...FORM, app: { name: 'Notes' } } },
  {
    name: 'new-password refused',
    page: 'new-password',
    locals: { ...FORM, error: 'password_unchanged' },
  },
];
