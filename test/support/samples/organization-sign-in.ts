import type { Sample } from '../page-samples.ts';

const APP = { name: 'Harbour Notes' };
const STEP = {
  base: '/interaction/uid',
  action: '/post',
  abortAction: '/abort',
  switchAction: '/switch',
  app: APP,
  account: 'ada.lovelace@example.com',
};
const ACME = { id: '01980000-0000-7000-8000-0000000000a1', name: 'Acme', slug: 'acme', roles: [] };
const HOSTILE = '"><script>window.hit=1</script>'.repeat(3);

/** What somebody meets on their way in to an organization. */
export const SAMPLES: Sample[] = [
  {
    name: 'choose-organization',
    page: 'choose-organization',
    locals: {
      ...STEP,
      choices: [
        ACME,
        {
          ...ACME,
          id: 'b',
          name: 'Northwind Shipping & Logistics International',
          slug: 'northwind',
        },
        { ...ACME, id: 'c', slug: 'acme-gmbh' },
      ],
    },
  },
  {
    name: 'choose-organization without a choice',
    page: 'choose-organization',
    locals: {
      ...STEP,
      error: 'organization_missing',
      choices: [ACME, { ...ACME, id: 'b', name: 'Globex' }],
    },
  },
  {
    name: 'organization-refused',
    page: 'organization-refused',
    locals: { ...STEP, reason: 'not_member' },
  },
  {
    name: 'organization-refused, none',
    page: 'organization-refused',
    locals: { ...STEP, reason: 'none' },
  },
  {
    name: 'organization-refused, suspended',
    page: 'organization-refused',
    locals: { ...STEP, reason: 'suspended', organization: ACME },
  },
  {
    name: 'organization-refused, method',
    page: 'organization-refused',
    locals: { ...STEP, reason: 'method', organization: ACME },
  },
];

/** Names that somebody chose with ill intent. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile choose-organization',
    page: 'choose-organization',
    locals: {
      ...STEP,
      choices: [
        { ...ACME, name: HOSTILE },
        { ...ACME, id: 'b', name: HOSTILE },
      ],
    },
  },
  {
    name: 'hostile organization-refused',
    page: 'organization-refused',
    locals: { ...STEP, reason: 'suspended', organization: { ...ACME, name: HOSTILE } },
  },
];
