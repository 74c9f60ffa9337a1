import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const MEMBER = { id: 'm', key: 'member', name: 'Member', builtin: true };
const BILLING = { id: 'b', key: 'billing', name: 'Billing', builtin: false };
const PAGE = {
  ...ACCOUNT_PAGE,
  here: '/account/organizations/harbour',
  organization: { name: 'Harbour Works', slug: 'harbour' },
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-invitations', '/invitations'],
  ],
  requests: [],
  invitations: [],
  roles: [{ ...MEMBER, checked: true }, BILLING],
  apps: [{ id: 'notes', name: 'Harbour Notes' }],
  form: { id: 'f', addresses: '', message: '', days: '7', app: '' },
  limits: { addresses: 100, message: 500, days: 30, open: 500 },
  mailed: true,
};
const PENDING = {
  id: '1',
  email: 'grace@example.com',
  roles: [MEMBER, BILLING],
  expired: false,
  expires: '1 Dec 2026, 10:00',
  by: 'Ada Lovelace',
  form: 'f1',
  acts: true,
};
const REQUESTER = { id: 'p', name: 'Alan Turing', email: 'alan@example.org' };
const INVITED = {
  organization: 'Harbour Works',
  inviter: 'Ada Lovelace',
  roles: [MEMBER, BILLING],
  message: 'Welcome aboard!\nSee you on Monday.',
};
const JOIN = {
  ...INVITED,
  action: '/post',
  signIn: '/account/invitations/1.x',
  account: 'grace@example.com',
  minLength: 15,
};
const OWN = {
  ...ACCOUNT_PAGE,
  ...INVITED,
  email: 'grace@example.com',
  expires: '1 Dec 2026, 10:00',
  switchUrl: '/authorize',
  slug: 'harbour',
};
const HOSTILE = { organization: ATTACK, inviter: ATTACK, message: `${ATTACK}\n${'W'.repeat(400)}` };

/** Pages of inviting people to an organization, and of being invited. */
export const SAMPLES: Sample[] = [
  { name: 'organization-invitations', page: 'organization-invitations', locals: PAGE },
  {
    name: 'organization-invitations sent',
    page: 'organization-invitations',
    locals: {
      ...PAGE,
      mailed: false,
      results: [
        {
          address: 'grace@example.com',
          result: 'invited',
          url: `https://id.example/join/${'x'.repeat(43)}`,
        },
        { address: 'not an address', result: 'invalid' },
        { address: 'ada@example.com', result: 'member' },
      ],
      requests: [{ ...PENDING, id: '2', requester: REQUESTER }],
      invitations: [PENDING, { ...PENDING, id: '3', expired: true, acts: false }],
      older: '3',
    },
  },
  {
    name: 'organization-invitations refused',
    page: 'organization-invitations',
    locals: { ...PAGE, error: 'days_invalid', form: { ...PAGE.form, days: '99' } },
  },
  { name: 'join', page: 'join', locals: { ...JOIN, way: 'new' } },
  {
    name: 'join refused',
    page: 'join',
    locals: { ...JOIN, way: 'new', error: 'password_context', form: { given_name: 'Grace' } },
  },
  { name: 'join with account', page: 'join', locals: { ...JOIN, way: 'sign-in' } },
  { name: 'join without account', page: 'join', locals: { ...JOIN, way: 'no-account' } },
  {
    name: 'join done',
    page: 'join',
    locals: { ...JOIN, next: 'https://notes.example', app: 'Harbour Notes' },
  },
  { name: 'join hostile', page: 'join', locals: { ...JOIN, ...HOSTILE, way: 'new' } },
  { name: 'account-invitation', page: 'account-invitation', locals: { ...OWN, state: 'open' } },
  {
    name: 'account-invitation other',
    page: 'account-invitation',
    locals: { ...OWN, ...HOSTILE, state: 'other' },
  },
  {
    name: 'account-invitation done',
    page: 'account-invitation',
    locals: { ...OWN, state: 'done', next: '/account/organizations/harbour' },
  },
];
