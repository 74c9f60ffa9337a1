import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const HERE = '/account/organizations/harbour';
const TABS = [
  ['organization', ''],
  ['organization-members', '/members'],
  ['organization-invitations', '/invitations'],
  ['organization-roles', '/roles'],
];
const PAGE = {
  ...ACCOUNT_PAGE,
  here: HERE,
  tabs: TABS,
  organization: { name: 'Harbour Works', slug: 'harbour' },
};

const idOf = (last: number) => `019e0000-0000-7000-8000-${String(last).padStart(12, '0')}`;

const builtin = (id: number, key: string, name: string) => ({
  ...{ id: idOf(id), key, name },
  ...{ builtin: true, description: null },
});
const OWNER = builtin(1, 'owner', 'Owner');
const ADMIN = builtin(2, 'admin', 'Admin');
const MEMBER = builtin(3, 'member', 'Member');
const BILLING = {
  ...{ id: idOf(4), key: 'billing', name: 'Billing', builtin: false },
  description: 'Sees invoices and changes how they are paid.',
};
const ROLES = [OWNER, ADMIN, MEMBER, BILLING];

const ADA = {
  ...{ user_id: idOf(11), name: 'Ada Lovelace', account: 'ada.lovelace@example.com' },
  ...{ status: 'active', usable: true, source: 'created', roles: [OWNER], self: true },
  since: 'Mar 4, 2026, 5:05 PM',
};
const GRACE = {
  ...{ user_id: idOf(12), name: 'Grace Hopper', account: 'grace@example.com' },
  ...{ status: 'active', usable: true, source: 'invited', roles: [ADMIN, BILLING], self: false },
  since: 'Apr 1, 2026, 9:12 AM',
};
const OTHERS = [
  { ...GRACE, name: null, user_id: idOf(13), source: 'domain', roles: [MEMBER] },
  { ...GRACE, name: 'Jean Bartik', user_id: idOf(14), roles: [], status: 'suspended' },
  { ...GRACE, name: 'Kay McNulty', user_id: idOf(15), source: 'scim', usable: false },
  {
    ...GRACE,
    user_id: idOf(16),
    name: 'Wolfeschlegelsteinhausenbergerdorff'.repeat(2),
    account: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`,
  },
];

const LIST = { ...PAGE, roles: ROLES, members: [ADA, GRACE, ...OTHERS], manages: true };
const CHOICES = ROLES.map((role) => ({ ...role, grantable: true, checked: role === MEMBER }));
const ONE = {
  ...PAGE,
  member: { ...GRACE, roles: [MEMBER] },
  confirmation: GRACE.account,
  roles: CHOICES,
  manages: true,
  told: true,
  self: false,
  holdsMore: false,
  had: MEMBER.id,
  proof: 'proof',
};

export const SAMPLES: Sample[] = [
  {
    name: 'organization-members',
    page: 'organization-members',
    locals: { ...LIST, mayInvite: true, older: '?after=x', newer: '?before=x' },
  },
  {
    name: 'organization-members found nothing',
    page: 'organization-members',
    locals: { ...LIST, members: [], search: 'nobody' },
  },
  {
    name: 'organization-members found too many',
    page: 'organization-members',
    locals: { ...LIST, search: 'a', roleId: ADMIN.id, more: true },
  },
  {
    name: 'organization-members to look at',
    page: 'organization-members',
    locals: { ...LIST, manages: false, tabs: TABS.slice(0, 2) },
  },
  { name: 'organization-member', page: 'organization-member', locals: ONE },
  {
    name: 'organization-member of an admin',
    page: 'organization-member',
    locals: {
      ...ONE,
      roles: CHOICES.map((role) => ({
        ...role,
        grantable: ![OWNER.id, BILLING.id].includes(role.id),
      })),
    },
  },
  {
    name: 'organization-member suspended',
    page: 'organization-member',
    locals: { ...ONE, member: { ...GRACE, status: 'suspended', usable: false } },
  },
  {
    name: 'organization-member oneself',
    page: 'organization-member',
    locals: { ...ONE, member: ADA, self: true, error: 'last_owner' },
  },
  {
    name: 'organization-member who may do more',
    page: 'organization-member',
    locals: { ...ONE, member: ADA, holdsMore: true },
  },
  {
    name: 'organization-member to look at',
    page: 'organization-member',
    locals: { ...ONE, manages: false },
  },
  {
    name: 'organization-member not confirmed',
    page: 'organization-member',
    locals: { ...ONE, error: 'confirmation' },
  },
];
