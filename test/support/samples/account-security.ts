import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const SESSION = {
  id: 'some-session',
  here: false,
  browser: 'Firefox',
  system: 'Linux',
  place: 'Lisbon, Portugal',
  ip: '203.0.113.7',
  lastSeen: 'Nov 23, 2026, 9:14 PM',
  signedIn: 'Nov 20, 2026, 8:02 AM',
};
const APP = {
  id: 'crunchy',
  name: 'Crunchy Numbers',
  own: false,
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  claims: ['phone_number'],
  resources: [
    {
      name: 'Invoices API',
      scopes: [
        { name: 'invoices:read', description: 'Read your invoices' },
        { name: 'invoices:write', description: null },
      ],
    },
  ],
  since: 'Nov 20, 2026, 8:02 AM',
  lastUsed: 'Nov 23, 2026, 9:14 PM',
};
const EVENT = {
  type: 'sign_in.succeeded',
  at: 'Nov 23, 2026, 9:14 PM',
  browser: 'Firefox',
  system: 'Linux',
  ip: '203.0.113.7',
  by: 'you',
};
const HOSTILE = '"><script>alert(1)</script>'.repeat(8);

/** Apps, sessions, activity, data and deletion. */
export const SAMPLES: Sample[] = [
  {
    name: 'account-sessions',
    page: 'account-sessions',
    locals: {
      ...ACCOUNT_PAGE,
      frame: { ...ACCOUNT_PAGE.frame, done: 'session' },
      sessions: [
        { ...SESSION, here: true, browser: 'Safari', system: 'macOS', place: null },
        SESSION,
        {
          ...SESSION,
          browser: undefined,
          system: undefined,
          place: HOSTILE.slice(0, 100),
          ip: '2001:db8:1234:5678:9abc:def0:1234:5678',
          lastSeen: null,
        },
      ],
    },
  },
  {
    name: 'account sessions alone',
    page: 'account-sessions',
    locals: { ...LONG_ACCOUNT_PAGE, sessions: [{ ...SESSION, here: true }] },
  },
  {
    name: 'account-apps',
    page: 'account-apps',
    locals: {
      ...ACCOUNT_PAGE,
      apps: [
        APP,
        { ...APP, id: 'own', name: 'Timesheets', own: true, claims: [], resources: [] },
        { ...APP, id: HOSTILE, name: HOSTILE, scopes: [HOSTILE], lastUsed: undefined },
      ],
    },
  },
  {
    name: 'account-activity',
    page: 'account-activity',
    locals: {
      ...ACCOUNT_PAGE,
      kinds: ['sign_in', 'profile', 'password', 'apps'],
      kind: 'profile',
      from: '2026-11-01',
      events: [
        { ...EVENT, word: 'sign_in_new_device', app: 'Crunchy Numbers' },
        { ...EVENT, word: 'password_reset_required', by: 'administrator' },
        { ...EVENT, word: 'user_deletion_requested', by: 'system' },
        { ...EVENT, word: HOSTILE, type: HOSTILE, app: HOSTILE, browser: undefined },
      ],
      newer: '?after=x',
      older: '?before=x',
    },
  },
  {
    name: 'account activity none',
    page: 'account-activity',
    locals: { ...ACCOUNT_PAGE, kinds: [], events: [] },
  },
  {
    name: 'account-delete',
    page: 'account-delete',
    locals: { ...ACCOUNT_PAGE, name: 'ada.lovelace@example.com', time: '14 days' },
  },
  {
    name: 'account delete refused',
    page: 'account-delete',
    locals: {
      ...LONG_ACCOUNT_PAGE,
      name: LONG_ACCOUNT_PAGE.frame.account,
      error: 'confirmation',
    },
  },
  {
    name: 'account-deleted',
    page: 'account-deleted',
    locals: { time: '14 days', signInUrl: '/account' },
  },
  { name: 'account deleted at once', page: 'account-deleted', locals: { time: undefined } },
  { name: 'account-data', page: 'account-data', locals: ACCOUNT_PAGE },
  { name: 'account apps none', page: 'account-apps', locals: { ...ACCOUNT_PAGE, apps: [] } },
];
