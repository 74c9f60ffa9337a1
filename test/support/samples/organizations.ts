import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const LONG = `Überaus traditionsreiche ${'W'.repeat(70)} AG`;
const LONG_SLUG = `ueberaus-traditionsreiche-${'w'.repeat(37)}`;
const HOSTILE = '"><script>alert(1)</script>'.repeat(3);

const ORGANIZATION = {
  id: '019ac0de-7a3b-7c21-8f00-3d5e9a1b2c4d',
  slug: 'acme',
  name: 'Acme Industries',
};
const FRAME = {
  ...ACCOUNT_PAGE,
  organization: ORGANIZATION,
  here: '/account/organizations/acme',
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-invitations', '/invitations'],
    ['organization-roles', '/roles'],
    ['organization-domains', '/domains'],
    ['organization-policies', '/policies'],
    ['organization-branding', '/branding'],
    ['organization-activity', '/activity'],
  ],
};
const LONG_FRAME = {
  ...LONG_ACCOUNT_PAGE,
  organization: { ...ORGANIZATION, slug: LONG_SLUG, name: LONG },
  here: `/account/organizations/${LONG_SLUG}`,
  tabs: FRAME.tabs.slice(0, 2),
};
const role = (key: string, name: string, builtin = true) => ({ id: key, key, name, builtin });
const LIST = { organizations: [], deleted: [], invitations: [], joinable: [], mayCreate: true };
const NEW = {
  ...ACCOUNT_PAGE,
  organization: ORGANIZATION.id,
  proof: 'x',
  maxName: 100,
  maxSlug: 63,
};
const OVERVIEW = {
  ...FRAME,
  values: ORGANIZATION,
  maxName: 100,
  maxSlug: 63,
  members: '1,204',
  created: 'November 24, 2026',
  roles: [role('owner', 'Owner')],
  mayUpdate: true,
  mayDelete: true,
  owner: true,
  onlyOwner: false,
  proof: 'x',
};

/** A person's organizations, and what each of them is. */
export const SAMPLES: Sample[] = [
  {
    name: 'account-organizations',
    page: 'account-organizations',
    locals: {
      ...ACCOUNT_PAGE,
      ...LIST,
      frame: { ...ACCOUNT_PAGE.frame, done: 'organization_deletion' },
      organizations: [
        { ...ORGANIZATION, roles: ['admin', 'billing'] },
        { id: 'x', slug: LONG_SLUG, name: LONG, roles: ['member'] },
        { id: 'y', slug: 'hostile', name: HOSTILE, roles: [] },
      ],
      invitations: [{ name: 'Harbour Ltd', path: '/organizations/invitations/x' }],
      joinable: [{ id: 'z', name: 'Crunchy Numbers' }],
      deleted: [{ id: 'w', slug: 'old', name: 'Old Mill', at: 'December 8, 2026' }],
    },
  },
  {
    name: 'account organizations none',
    page: 'account-organizations',
    locals: { ...ACCOUNT_PAGE, ...LIST },
  },
  {
    name: 'account organizations none to be had',
    page: 'account-organizations',
    locals: { ...LONG_ACCOUNT_PAGE, ...LIST, mayCreate: false },
  },
  { name: 'account-organization-new', page: 'account-organization-new', locals: NEW },
  {
    name: 'account organization new refused',
    page: 'account-organization-new',
    locals: { ...NEW, name: LONG, slug: LONG_SLUG, error: { key: 'slug_taken' } },
  },
  {
    name: 'account organization new throttled',
    page: 'account-organization-new',
    locals: { ...NEW, name: HOSTILE, slug: 'acme', error: { key: 'throttled', retryAfter: 1800 } },
  },
  {
    name: 'organization',
    page: 'organization',
    locals: { ...OVERVIEW, frame: { ...FRAME.frame, done: 'organization_created' } },
  },
  {
    name: 'organization refused',
    page: 'organization',
    locals: {
      ...OVERVIEW,
      onlyOwner: true,
      values: { name: HOSTILE, slug: 'new' },
      error: { form: 'profile', key: 'slug_invalid' },
    },
  },
  {
    name: 'organization of a member',
    page: 'organization',
    locals: {
      ...OVERVIEW,
      ...LONG_FRAME,
      roles: [role('member', 'Member'), role('billing', HOSTILE, false)],
      mayUpdate: false,
      mayDelete: false,
      owner: false,
      error: { form: 'leave', key: 'last_owner' },
    },
  },
  {
    name: 'organization-transfer',
    page: 'organization-transfer',
    locals: { ...FRAME, member: '', proof: 'x' },
  },
  {
    name: 'organization transfer refused',
    page: 'organization-transfer',
    locals: { ...LONG_FRAME, member: HOSTILE, proof: 'x', error: 'member_unknown' },
  },
  {
    name: 'organization-delete',
    page: 'organization-delete',
    locals: { ...FRAME, time: '14 days', proof: 'x' },
  },
  {
    name: 'organization delete refused',
    page: 'organization-delete',
    locals: { ...LONG_FRAME, proof: 'x', error: 'confirmation' },
  },
  {
    name: 'account delete of an only owner',
    page: 'account-delete',
    locals: {
      ...ACCOUNT_PAGE,
      name: 'ada.lovelace@example.com',
      error: 'only_owner',
      owned: [ORGANIZATION, { slug: LONG_SLUG, name: LONG }],
    },
  },
];
