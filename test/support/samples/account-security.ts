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
const HOSTILE = '"><script>alert(1)</script>'.repeat(8);

/** Apps, sessions, activity, data and deletion. */
export const SAMPLES: Sample[] = [
  {
    name: 'account sessions',
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
    name: 'account apps',
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
  { name: 'account apps none', page: 'account-apps', locals: { ...ACCOUNT_PAGE, apps: [] } },
];
