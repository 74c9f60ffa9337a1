import { Transformer } from '@napi-rs/image';
import { stylesheetOf } from '../../../src/organizations/branding/stylesheet.ts';
import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE } from './account-frame.ts';

const ACCENT = '#0b6e4f';
const CSS = '/branding/harbour.css';
const LOGO = '/logos/harbour.webp';

/** What a sign-in page looks like for an organization with a logo and a colour of its own. */
const BRANDING = { name: 'Harbour Works', logo: LOGO, css: CSS };

const MARK = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="80">
  <circle cx="40" cy="40" r="34" fill="${ACCENT}"/>
  <path d="M22 46q9-10 18 0t18 0" fill="none" stroke="#fff" stroke-width="6"/>
  <rect x="92" y="22" width="200" height="16" rx="8" fill="#16181d"/>
  <rect x="92" y="46" width="130" height="12" rx="6" fill="#5d636d"/>
</svg>`;

/** Files that the samples' pages ask for, by their path below the base. */
export async function brandingFiles(): Promise<Map<string, { type: string; body: Buffer }>> {
  const logo = await Transformer.fromSvg(MARK).webpLossless();
  return new Map([
    [CSS, { type: 'text/css', body: Buffer.from(stylesheetOf(ACCENT)?.text ?? '') }],
    [LOGO, { type: 'image/webp', body: logo }],
  ]);
}

const APP = { name: 'Harbour Notes' };
const FORM = { action: '/post', abortAction: '/abort' };

const HERE = '/account/organizations/harbour';

/** What pages of an organization are shown with. */
const PAGE = {
  ...ACCOUNT_PAGE,
  here: HERE,
  organization: { name: 'Harbour Works', slug: 'harbour' },
  tabs: [
    ['organization', ''],
    ['organization-members', '/members'],
    ['organization-branding', '/branding'],
    ['organization-activity', '/activity'],
  ],
};

const OWN = { branding: BRANDING, accent: ACCENT, typed: ACCENT, picked: ACCENT };

export const SAMPLES: Sample[] = [
  { name: 'login branded', page: 'login', locals: { ...FORM, app: APP, branding: BRANDING } },
  {
    name: 'password branded',
    page: 'password',
    locals: {
      ...FORM,
      account: 'ada.lovelace@example.com',
      switchAction: '/switch',
      branding: { name: 'Harbour Works', css: CSS },
    },
  },
  { name: 'organization-branding', page: 'organization-branding', locals: { ...PAGE, ...OWN } },
  {
    name: 'organization-branding new',
    page: 'organization-branding',
    locals: { ...PAGE, branding: { name: 'Harbour Works' }, accent: '', picked: '#2451b2' },
  },
  {
    name: 'organization-branding refused',
    page: 'organization-branding',
    locals: {
      ...PAGE,
      ...OWN,
      accent: '#b38f00',
      typed: '#b38f00',
      picked: '#b38f00',
      error: {
        form: 'accent',
        key: 'too_light',
        vars: { accent: '#ffcc00', nearest: '#b38f00' },
      },
    },
  },
];

/** The same with the worst that an organization may call itself. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile login branded',
    page: 'login',
    locals: {
      ...FORM,
      app: APP,
      branding: {
        name: `"><img src=x onerror="window.hit=1"><script>window.hit=1</script>\u202e${'W'.repeat(90)}`,
      },
    },
  },
];
