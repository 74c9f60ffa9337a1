import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const LONG = `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`;
const TABS = [
  ['organization', ''],
  ['organization-members', '/members'],
  ['organization-invitations', '/invitations'],
];
const ORGANIZATION = { name: 'Harbour Works', slug: 'harbour' };
const EXPIRES = 'May 2, 2026, 9:12 AM';
const LINK = `https://id.example/join/${'Ab3_'.repeat(10)}Ab3`;

const idOf = (last: number) => `019e0000-0000-7000-8000-${String(last).padStart(12, '0')}`;

const MEMBER = { id: idOf(3), key: 'member', name: 'Member', builtin: true, description: null };
const ADMIN = { ...MEMBER, id: idOf(2), key: 'admin', name: 'Admin' };
const BILLING = { ...MEMBER, id: idOf(4), key: 'billing', name: 'Billing', builtin: false };
const ROLES = [ADMIN, MEMBER, BILLING].map((role) => ({ ...role, checked: role === MEMBER }));

const INVITED = {
  ...{
    id: idOf(21),
    email: 'grace@example.com',
    roles: [MEMBER],
    expired: false,
    expires: EXPIRES,
  },
  ...{ by: 'Ada Lovelace', form: idOf(31), acts: true },
};
const REQUEST = {
  ...{ ...INVITED, id: idOf(22), email: 'jean@works.example', roles: [ADMIN, BILLING] },
  requester: { id: idOf(12), name: 'Jean Bartik', email: 'jean.bartik@example.com' },
};
const OTHERS = [
  { ...INVITED, id: idOf(23), email: 'kay@example.com', expired: true, roles: [MEMBER, BILLING] },
  { ...INVITED, id: idOf(24), email: 'owner@example.com', acts: false, by: null, roles: [] },
];

const FORM = { id: idOf(30), addresses: '', message: '', days: '7', app: '' };
const APPS = [{ id: 'notes', name: 'Harbour Notes' }];
const LIST = {
  ...{ ...ACCOUNT_PAGE, here: '/account/organizations/harbour', tabs: TABS },
  ...{ organization: ORGANIZATION, requests: [], invitations: [], roles: ROLES, apps: [] },
  ...{ form: FORM, limits: { addresses: 100, message: 500, days: 30, open: 500 }, mailed: true },
};

const RESULTS = [
  ...['invited', 'resent', 'member', 'invalid', 'duplicate', 'taken', 'throttled', 'full'],
].map((result, i) => ({ address: `person${i}@example.com`, result }));
const FILLED = {
  ...FORM,
  addresses: 'grace@example.com\nkay@example',
  message: 'Welcome aboard!',
  days: '31',
};
const PROBLEMS = ['roles_missing', 'days_invalid'];

const page = 'organization-invitations';

const INVITING: Sample[] = [
  { name: page, page, locals: LIST },
  {
    name: `${page} pending`,
    page,
    locals: {
      ...{ ...LIST, apps: APPS, invitations: [INVITED, ...OTHERS], requests: [REQUEST] },
      ...{ older: idOf(24), newest: true },
    },
  },
  {
    name: `${page} results`,
    page,
    locals: { ...LIST, invitations: [INVITED], results: RESULTS },
  },
  {
    name: `${page} links`,
    page,
    locals: {
      ...{ ...LIST, mailed: false, invitations: [INVITED] },
      results: [
        { address: 'grace@example.com', result: 'invited', url: LINK },
        { address: 'kay@example.com', result: 'resent', url: LINK },
        { address: 'kay@example', result: 'invalid' },
      ],
    },
  },
  ...PROBLEMS.map((error) => ({
    name: `${page} ${error}`,
    page,
    locals: { ...LIST, apps: APPS, error, form: FILLED },
  })),
] as Sample[];

const OWN = {
  ...ACCOUNT_PAGE,
  ...{ state: 'open', addressed: true, organization: ORGANIZATION.name, slug: 'harbour' },
  ...{ roles: [MEMBER, BILLING], message: 'Come aboard!\nAda', inviter: 'Ada Lovelace' },
  ...{ email: 'grace@example.com', expires: EXPIRES, switchUrl: '/switch', action: '/post' },
};
const STATES = ['other', 'asked'];

const ACCEPTING: Sample[] = [
  { name: 'account-invitation', page: 'account-invitation', locals: OWN },
  {
    name: 'account-invitation member',
    page: 'account-invitation',
    locals: { ...OWN, state: 'member' },
  },
  ...STATES.map((state) => ({
    name: `account-invitation ${state}`,
    page: 'account-invitation',
    locals: { ...OWN, addressed: false, state },
  })),
  {
    name: 'account-invitation unverified',
    page: 'account-invitation',
    locals: {
      ...OWN,
      addressed: false,
      state: 'unverified',
      inviter: null,
      message: null,
      roles: [],
    },
  },
  {
    name: 'account-invitation refused',
    page: 'account-invitation',
    locals: { ...OWN, addressed: false, error: 'not_theirs', state: 'other' },
  },
  {
    name: 'account-invitation done',
    page: 'account-invitation',
    locals: { ...OWN, state: 'done', next: '/account/organizations/harbour' },
  },
] as Sample[];

const JOIN = {
  ...{ way: 'new', action: '/post', signIn: '/account/invitations/1', minLength: 15 },
  ...{ organization: ORGANIZATION.name, inviter: 'Ada Lovelace', roles: [MEMBER] },
  ...{ message: 'Come aboard!\nAda', account: 'grace@example.com', form: {} },
};
const BARE = { inviter: null, message: null, roles: [] };
const LEGAL = { termsUrl: 'https://id.example/terms', privacyUrl: 'https://id.example/privacy' };
const NAMES = { given_name: 'Grace', family_name: 'Hopper' };

const JOINING: Sample[] = [
  { name: 'join', page: 'join', locals: { ...JOIN, ...LEGAL } },
  { name: 'join sign-in', page: 'join', locals: { ...JOIN, ...BARE, way: 'sign-in' } },
  { name: 'join unsaid', page: 'join', locals: { ...JOIN, way: 'unsaid' } },
  {
    name: 'join refused',
    page: 'join',
    locals: { ...JOIN, ...LEGAL, form: NAMES, error: 'password_too_short' },
  },
  { name: 'join taken', page: 'join', locals: { ...JOIN, way: 'sign-in', error: 'taken' } },
  {
    name: 'join done',
    page: 'join',
    locals: {
      ...{ organization: ORGANIZATION.name, account: 'grace@example.com' },
      ...{ next: 'https://notes.example/', app: 'Harbour Notes' },
    },
  },
] as Sample[];

/** Pages of invitations to organizations. */
export const SAMPLES: Sample[] = [...INVITING, ...ACCEPTING, ...JOINING];

const EVIL_ROLE = { ...BILLING, name: `${ATTACK} ${'W'.repeat(100)}`, checked: true };
const EVIL = {
  ...{ organization: `${ATTACK} ${'O'.repeat(100)}`, inviter: `${ATTACK} ${'I'.repeat(200)}` },
  ...{ roles: [EVIL_ROLE, EVIL_ROLE], message: `${ATTACK}\n\n\u202e${'M'.repeat(300)}` },
};

/** The same with the worst that inviters, the invited and organizations can be called. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile organization-invitations',
    page,
    locals: {
      ...{ ...LIST, error: ATTACK, roles: [EVIL_ROLE], apps: [{ id: ATTACK, name: ATTACK }] },
      ...{ organization: { name: EVIL.organization, slug: 'evil' }, older: ATTACK },
      results: [{ address: ATTACK, result: '__proto__', url: `${LINK}${ATTACK}` }],
      form: { id: ATTACK, addresses: `</textarea>${ATTACK}`, message: ATTACK, days: ATTACK },
      invitations: [{ ...INVITED, email: LONG, by: EVIL.inviter, roles: EVIL.roles }],
      requests: [
        { ...REQUEST, email: LONG, requester: { id: ATTACK, name: EVIL.inviter, email: LONG } },
      ],
    },
  },
  {
    name: 'hostile account-invitation',
    page: 'account-invitation',
    locals: { ...OWN, ...EVIL, state: 'other', email: LONG, error: ATTACK },
  },
  {
    name: 'hostile join',
    page: 'join',
    locals: { ...JOIN, ...EVIL, account: LONG, form: { given_name: ATTACK }, error: ATTACK },
  },
];
