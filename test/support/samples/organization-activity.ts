import { KINDS } from '../../../src/organizations/activity/kinds.ts';
import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const PAGE = {
  ...ACCOUNT_PAGE,
  here: '/account/organizations/harbour',
  organization: { name: 'Harbour Works', slug: 'harbour' },
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-activity', '/activity'],
  ],
  kinds: Object.keys(KINDS),
};

const ADA = {
  ...{ kind: 'person', id: '019e0000-0000-7000-8000-000000000011' },
  ...{ name: 'Ada Lovelace', address: 'ada.lovelace@example.com' },
};
const GRACE = { ...ADA, name: null, address: 'grace@example.com' };
const DEVICE = { browser: 'Firefox', system: 'Linux', ip: '2001:db8:85a3::8a2e:370:7334' };
const AT = 'Nov 24, 2026, 9:05 AM';
const of = (type: string) => ({ type, word: type.replaceAll('.', '_'), at: AT, facts: [] });

const EVENTS = [
  {
    ...of('member.roles_changed'),
    ...DEVICE,
    by: ADA,
    about: GRACE,
    facts: [
      { name: 'added', values: ['admin', 'billing'] },
      { name: 'removed', values: ['member'] },
    ],
  },
  { ...of('sign_in.succeeded'), ...DEVICE, by: GRACE, app: 'Harbour Notes' },
  {
    ...of('invitation.created'),
    by: { kind: 'gone', id: '019e0000-0000-7000-8000-000000000012' },
    about: { kind: 'invited', id: '1', name: 'katherine@example.com' },
    facts: [{ name: 'roles', values: ['member'] }],
  },
  {
    ...of('domain.lost'),
    by: { kind: 'system' },
    facts: [{ name: 'name', values: ['harbour.example'] }],
  },
  { ...of('client.secret_rotated'), by: { kind: 'administrator' }, app: 'Harbour Cranes' },
];

export const SAMPLES: Sample[] = [
  {
    name: 'organization-activity',
    page: 'organization-activity',
    locals: { ...PAGE, events: EVENTS, older: '?before=1' },
  },
  {
    name: 'organization-activity empty',
    page: 'organization-activity',
    locals: { ...PAGE, kind: 'domains', person: 'nobody@example.com', filtered: true, events: [] },
  },
  {
    name: 'organization-activity refused',
    page: 'organization-activity',
    locals: { ...PAGE, events: [], error: { key: 'unknown_field', field: 'colour' } },
  },
];

const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';

/** The same with the worst that people, apps, devices and domains can be called. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile organization-activity',
    page: 'organization-activity',
    locals: {
      ...PAGE,
      organization: { name: `${ATTACK}${'W'.repeat(60)}`, slug: 'harbour' },
      person: ATTACK,
      events: [
        {
          ...{ type: ATTACK, word: 'constructor', at: AT, ip: ATTACK, browser: 'U'.repeat(300) },
          by: {
            ...ADA,
            name: ATTACK,
            address: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`,
          },
          about: { kind: 'gone', id: ATTACK },
          app: ATTACK,
          facts: [{ name: 'name', values: [`\u202e${ATTACK}`, '__proto__'] }],
        },
      ],
    },
  },
];
