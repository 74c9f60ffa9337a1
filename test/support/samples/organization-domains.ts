import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const PAGE = {
  here: '/account/organizations/harbour',
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-domains', '/domains'],
    ['organization-policies', '/policies'],
  ],
  organization: { name: 'Harbour Works', slug: 'harbour' },
};
const TOKEN = 'uF3q0cS8yq1nVt5mX2pLr7wKd9zBhGjA4eQoTiYsUvE';
const PENDING = {
  id: 'pending',
  name: 'harbour.example',
  written: undefined,
  state: 'pending',
  verified: null,
  checked: null,
  missing: null,
  lost: null,
  record: {
    name: '_plinto-challenge.harbour.example',
    value: `plinto-verification=${TOKEN}`,
  },
};
const PROVEN = {
  ...PENDING,
  id: 'proven',
  name: 'xn--hafen-mnchen-klb.example',
  written: 'hafen-münchen.example',
  state: 'proven',
  verified: 'Nov 20, 2026, 8:02 AM',
  checked: 'Nov 23, 2026, 9:14 PM',
};
const MISSING = {
  ...PROVEN,
  id: 'missing',
  name: 'harbour-works.example',
  written: undefined,
  state: 'missing',
  missing: 'Nov 22, 2026, 9:27 PM',
  lost: 'Nov 29, 2026, 9:27 PM',
};
const LONG = `${'sub.'.repeat(50)}harbour.example`;
const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const JOIN = { action: '/post', abortAction: '/abort', switchAction: '/switch' };

const POLICIES = {
  ...ACCOUNT_PAGE,
  ...PAGE,
  form: { session_hours: '' },
  proven: true,
  secondFactors: true,
  methods: ['password', 'email', 'passkey'],
  domainsPage: true,
};

/** An organization's domains and rules, and the step of a sign-in in which somebody joins it. */
export const SAMPLES: Sample[] = [
  {
    name: 'organization-domains',
    page: 'organization-domains',
    locals: { ...ACCOUNT_PAGE, ...PAGE, domains: [PENDING, PROVEN, MISSING] },
  },
  {
    name: 'organization domains none',
    page: 'organization-domains',
    locals: { ...ACCOUNT_PAGE, ...PAGE, domains: [] },
  },
  {
    name: 'organization domains refused',
    page: 'organization-domains',
    locals: {
      ...LONG_ACCOUNT_PAGE,
      ...PAGE,
      domains: [PENDING],
      error: { key: 'consumer', typed: 'gmail.com' },
    },
  },
  {
    name: 'organization domain not verified',
    page: 'organization-domains',
    locals: {
      ...ACCOUNT_PAGE,
      ...PAGE,
      domains: [{ ...PENDING, name: LONG, record: { ...PENDING.record, name: LONG } }],
      error: { key: 'missing', domain: 'pending' },
    },
  },
  {
    name: 'organization-policies',
    page: 'organization-policies',
    locals: {
      ...POLICIES,
      form: {
        mfa_required: 'yes',
        method_passkey: 'yes',
        session_hours: '12',
        join_by_domain: 'yes',
      },
    },
  },
  {
    name: 'organization policies without',
    page: 'organization-policies',
    locals: {
      ...POLICIES,
      proven: false,
      secondFactors: false,
      methods: ['password'],
    },
  },
  {
    name: 'organization policies refused',
    page: 'organization-policies',
    locals: {
      ...POLICIES,
      form: { mfa_required: 'yes', session_hours: '0.5' },
      error: { key: 'no_second_factor' },
    },
  },
  {
    name: 'join-organization',
    page: 'join-organization',
    locals: {
      ...JOIN,
      app: { name: 'Harbour Notes', clientUri: 'https://notes.example' },
      organization: { name: 'Harbour Works' },
      account: 'ada@harbour.example',
    },
  },
];

/** The same with the worst that people may put into them. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile join-organization',
    page: 'join-organization',
    locals: {
      ...JOIN,
      app: { name: ATTACK },
      organization: { name: ATTACK },
      account: `${ATTACK}@${LONG}`,
    },
  },
  {
    name: 'hostile organization-domains',
    page: 'organization-domains',
    locals: {
      ...ACCOUNT_PAGE,
      ...PAGE,
      organization: { name: ATTACK },
      domains: [PENDING],
      error: { key: ATTACK, typed: ATTACK, field: ATTACK },
    },
  },
];
