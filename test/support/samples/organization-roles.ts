import { OWN_PERMISSIONS } from '../../../src/organizations/permissions.ts';
import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const PAGE = {
  ...ACCOUNT_PAGE,
  here: '/account/organizations/harbour',
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-roles', '/roles'],
  ],
  organization: { name: 'Harbour Works', slug: 'harbour' },
  canSeeMembers: true,
};
const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const LONG = 'Wolfeschlegelsteinhausenbergerdorff'.repeat(3);

const role = (key: string, name: string, more: Record<string, unknown> = {}) => ({
  ...{ id: `id-of-${key}`, key, name, description: null, organization_id: 'harbour' },
  ...{ builtin: false, owner: false, permissions: [], apis: [], members: 0, ...more },
});
const builtin = (key: string, more: Record<string, unknown>) =>
  role(key, key, { organization_id: null, builtin: true, ...more });

const OWNER = builtin('owner', { owner: true, members: 2 });
const ADMIN = builtin('admin', { permissions: OWN_PERMISSIONS.slice(2), members: 3 });
const MEMBER = builtin('member', { permissions: ['members:read'], members: 51_204 });
const BILLING = role('billing', 'Billing', {
  description: 'Sees invoices and changes how they are paid.',
  permissions: ['members:read'],
  apis: [{ name: 'Invoices API', permissions: ['invoices:read', 'invoices:write'] }],
  members: 4,
});
const SHARED = role('support', 'Support', {
  organization_id: null,
  permissions: ['activity:read'],
});
const ROLES = { ownRoles: [BILLING], sharedRoles: [SHARED], builtinRoles: [OWNER, ADMIN, MEMBER] };

const choices = (checked: readonly string[], lacks: readonly string[] = []) => {
  const choice = (value: string, index: number) => ({
    ...{ field: `permission-${index}`, value, name: value },
    ...{ checked: checked.includes(value), held: !lacks.includes(value) },
  });
  const invoices = ['invoices:read', 'invoices:write', 'invoices:send'].map((name, index) => ({
    ...choice(name, 20 + index),
    description: name === 'invoices:send' ? null : `${name.slice(9)} invoices of all customers`,
  }));
  const apis = [{ name: 'Invoices API', permissions: invoices }];
  return { own: OWN_PERMISSIONS.map(choice), apis };
};

const EMPTY = { name: '', key: '', description: '' };
const NEW = { ...PAGE, values: EMPTY, people: [], ...choices([]) };
const PEOPLE = [
  { id: 'ada', name: 'Ada Lovelace', email: 'ada.lovelace@example.com', username: null },
  { id: 'grace', name: null, email: 'grace@example.com', username: null },
  { id: 'long', name: LONG, email: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com` },
];
const ONE = {
  ...PAGE,
  role: BILLING,
  values: BILLING,
  use: { members: 4, invitations: 1 },
  people: PEOPLE,
  proof: 'proof',
  ...choices(['members:read', 'invoices:read', 'invoices:write']),
};

/** The roles of an organization, and one of them. */
export const SAMPLES: Sample[] = [
  {
    name: 'organization-roles',
    page: 'organization-roles',
    locals: { ...PAGE, ...ROLES, frame: { ...ACCOUNT_PAGE.frame, done: 'role_created' } },
  },
  {
    name: 'organization-roles none of its own',
    page: 'organization-roles',
    locals: { ...PAGE, ...ROLES, ownRoles: [], sharedRoles: [], canSeeMembers: false },
  },
  { name: 'organization-role new', page: 'organization-role', locals: NEW },
  {
    name: 'organization-role new refused',
    page: 'organization-role',
    locals: {
      ...NEW,
      ...choices(['members:read'], ['organization:delete', 'invoices:write']),
      values: { name: 'Billing', key: 'billing', description: '' },
      error: { key: 'key_taken', field: 'key' },
    },
  },
  {
    name: 'organization-role new beyond what is held',
    page: 'organization-role',
    locals: {
      ...NEW,
      ...choices([], ['organization:delete']),
      values: { ...EMPTY, name: 'Deputy' },
      error: { key: 'not_held', detail: 'organization:delete' },
    },
  },
  { name: 'organization-role', page: 'organization-role', locals: ONE },
  {
    name: 'organization-role deletion refused',
    page: 'organization-role',
    locals: { ...ONE, people: [], error: { key: 'confirmation' } },
  },
  {
    name: 'organization-role built in',
    page: 'organization-role',
    locals: {
      ...{ ...ONE, role: ADMIN, values: ADMIN, fixed: 'builtin', use: { members: 40 } },
      ...choices(OWN_PERMISSIONS.slice(2)),
    },
  },
  {
    name: 'organization-role of all',
    page: 'organization-role',
    locals: {
      ...{ ...ONE, role: SHARED, values: SHARED, fixed: 'shared', people: [] },
      ...{ use: { members: 0, invitations: 0 }, ...choices([]) },
    },
  },
];

const HOSTILE = role('hostile', ATTACK, {
  description: `${ATTACK} ${LONG}`,
  permissions: ['__proto__', ATTACK],
  apis: [{ name: ATTACK, permissions: [ATTACK, LONG] }],
});

/** The same with the worst that somebody may name them. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile organization-roles',
    page: 'organization-roles',
    locals: { ...PAGE, ...ROLES, ownRoles: [HOSTILE], sharedRoles: [HOSTILE] },
  },
  {
    name: 'hostile organization-role',
    page: 'organization-role',
    locals: {
      ...{ ...ONE, role: HOSTILE, values: { ...HOSTILE, name: ATTACK } },
      people: [{ id: 'x', name: ATTACK, email: ATTACK, username: null }],
      apis: [
        {
          name: ATTACK,
          permissions: [
            { name: LONG, description: ATTACK, field: 'permission-1', value: ATTACK, held: false },
          ],
        },
      ],
      error: { key: ATTACK, detail: ATTACK },
    },
  },
];
