import type { PageName } from '../../src/http/render.ts';
import { SAMPLES as ACCOUNT_PROFILE } from './samples/account-profile.ts';
import { SAMPLES as ACCOUNT_SECURITY } from './samples/account-security.ts';
import { SAMPLES as FACTORS } from './samples/factors.ts';
import { SAMPLES as LOST_FACTORS } from './samples/lost-factors.ts';
import { SAMPLES as MESSAGES } from './samples/messages.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_ORGANIZATION_ACTIVITY,
  SAMPLES as ORGANIZATION_ACTIVITY,
} from './samples/organization-activity.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_BRANDING,
  SAMPLES as ORGANIZATION_BRANDING,
} from './samples/organization-branding.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_DOMAINS,
  SAMPLES as ORGANIZATION_DOMAINS,
} from './samples/organization-domains.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_INVITATIONS,
  SAMPLES as ORGANIZATION_INVITATIONS,
} from './samples/organization-invitations.ts';
import { SAMPLES as ORGANIZATION_MEMBERS } from './samples/organization-members.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_ROLES,
  SAMPLES as ORGANIZATION_ROLES,
} from './samples/organization-roles.ts';
import {
  HOSTILE_SAMPLES as HOSTILE_ORGANIZATION_SIGN_IN,
  SAMPLES as ORGANIZATION_SIGN_IN,
} from './samples/organization-sign-in.ts';
import { SAMPLES as ORGANIZATIONS } from './samples/organizations.ts';
import { SAMPLES as PASSKEYS } from './samples/passkeys.ts';
import { SAMPLES as PASSWORDS } from './samples/passwords.ts';
import { SAMPLES as RECOVERY } from './samples/recovery.ts';
import { SAMPLES as REGISTRATION } from './samples/registration.ts';
import { SAMPLES as SECOND_FACTORS } from './samples/second-factors.ts';

/** A page as somebody could see it. */
export type Sample = { name: string; page: PageName; locals: Record<string, unknown> };

const APP = {
  name: 'Harbour Notes',
  clientUri: 'https://notes.example',
  policyUri: 'https://notes.example/privacy',
  tosUri: 'https://notes.example/terms',
};
const ACCOUNT = 'ada.lovelace@example.com';
const FORM = { action: '/post', abortAction: '/abort' };
const LIBRARY_FORM = { action: '/post', xsrf: 'library-token' };
const CONSENT = { ...FORM, account: ACCOUNT, redirectHost: 'notes.example', thirdParty: true };
const PHONE = 'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126 Mobile';

/** Every page in the states that a person meets in a normal week. */
export const SAMPLES: Sample[] = [
  { name: 'login', page: 'login', locals: { ...FORM, app: APP } },
  { name: 'login without app', page: 'login', locals: { action: '/post' } },
  {
    name: 'login refused',
    page: 'login',
    locals: { ...FORM, app: APP, identifier: ACCOUNT, error: 'credentials' },
  },
  {
    name: 'login throttled',
    page: 'login',
    locals: {
      ...FORM,
      app: { name: 'Notes' },
      identifier: ACCOUNT,
      error: 'throttled',
      retryAfter: 30,
    },
  },
  {
    name: 'password',
    page: 'password',
    locals: { ...FORM, app: APP, account: ACCOUNT, switchAction: '/switch' },
  },
  {
    name: 'password refused',
    page: 'password',
    locals: { ...FORM, account: ACCOUNT, switchAction: '/switch', error: 'credentials' },
  },
  {
    name: 'consent',
    page: 'consent',
    locals: {
      ...CONSENT,
      app: APP,
      scopes: ['openid', 'profile', 'email', 'phone', 'address', 'offline_access'].map((name) => ({
        name,
        title: name,
      })),
      claims: ['birthdate', 'urn:example:badge'],
      resources: [
        {
          name: 'Harbour API',
          scopes: [
            { name: 'notes:read', description: 'Read your notes' },
            { name: 'notes:write', description: 'Create and change your notes' },
            { name: 'notes:share' },
          ],
        },
      ],
      authorizationDetails: ['Pay 12.50 EUR to Harbour Ltd'],
      offline: true,
    },
  },
  {
    name: 'consent small',
    page: 'consent',
    locals: {
      ...CONSENT,
      app: { name: 'Notes' },
      scopes: [{ name: 'openid' }, { name: 'email' }],
      claims: [],
      resources: [],
      offline: false,
    },
  },
  { name: 'logout', page: 'logout', locals: { ...LIBRARY_FORM, app: APP } },
  { name: 'logout without app', page: 'logout', locals: LIBRARY_FORM },
  { name: 'signed-out', page: 'signed-out', locals: { app: APP } },
  { name: 'signed-out without app', page: 'signed-out', locals: {} },
  { name: 'still-signed-in', page: 'still-signed-in', locals: { app: APP } },
  { name: 'device', page: 'device', locals: LIBRARY_FORM },
  {
    name: 'device refused',
    page: 'device',
    locals: { ...LIBRARY_FORM, error: 'wrong', userCode: 'WDJB-MJHT' },
  },
  {
    name: 'device-confirm',
    page: 'device-confirm',
    locals: {
      ...LIBRARY_FORM,
      app: APP,
      account: ACCOUNT,
      userCode: 'WDJB-MJHT',
      deviceInfo: { ip: '2001:db8:85a3::8a2e:370:7334', userAgent: PHONE },
    },
  },
  {
    name: 'device-confirm bare',
    page: 'device-confirm',
    locals: { ...LIBRARY_FORM, app: { name: 'Notes' }, userCode: 'WDJB-MJHT', deviceInfo: {} },
  },
  { name: 'device-done', page: 'device-done', locals: { app: APP } },
  {
    name: 'error',
    page: 'error',
    locals: {
      code: 'invalid_redirect_uri',
      detail: "redirect_uri did not match any of the client's registered redirect_uris",
      reference: '01J9Z6Q4T8',
    },
  },
  {
    name: 'error to restart',
    page: 'error',
    locals: { code: 'interaction_expired', reference: '01J9Z6Q4T8', restartUrl: '/restart' },
  },
  {
    name: 'error to retry',
    page: 'error',
    locals: { code: 'busy', reference: '01J9Z6Q4T8', retryAfter: 2 },
  },
  { name: 'setup', page: 'setup', locals: { action: '/post', minLength: 15 } },
  {
    name: 'setup refused',
    page: 'setup',
    locals: {
      action: '/post',
      minLength: 15,
      name: 'Ada Lovelace',
      email: ACCOUNT,
      error: { field: 'password', key: 'password_context' },
    },
  },
  { name: 'setup-done', page: 'setup-done', locals: { account: ACCOUNT, nextUrl: '/' } },
  { name: 'home', page: 'home', locals: { issuer: 'https://id.example/tenant/' } },
  ...REGISTRATION,
  ...RECOVERY,
  ...ACCOUNT_PROFILE,
  ...ACCOUNT_SECURITY,
  ...MESSAGES,
  ...LOST_FACTORS,
  ...ORGANIZATION_SIGN_IN,
  ...ORGANIZATIONS,
  ...PASSKEYS,
  ...FACTORS,
  ...SECOND_FACTORS,
  ...PASSWORDS,
  ...ORGANIZATION_BRANDING,
  ...ORGANIZATION_ACTIVITY,
  ...ORGANIZATION_DOMAINS,
  ...ORGANIZATION_INVITATIONS,
  ...ORGANIZATION_MEMBERS,
  ...ORGANIZATION_ROLES,
];

const ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const HOSTILE_APP = {
  name: `${ATTACK} ${'W'.repeat(300)}`,
  clientUri: 'javascript:window.hit=1',
  policyUri: `https://evil.example/${ATTACK}`,
  tosUri: 'data:text/html,<script>window.hit=1</script>',
};
const RTL_APP = { name: '\u202e\u2067متجر الكتب المستعملة {{productName}} $t(login.title)' };
const LONG = `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`;

/** The same pages with the worst that a client, a person or a device may put into them. */
export const HOSTILE_SAMPLES: Sample[] = [
  {
    name: 'hostile login',
    page: 'login',
    locals: {
      action: ATTACK,
      abortAction: ATTACK,
      app: HOSTILE_APP,
      identifier: ATTACK,
      error: ATTACK,
    },
  },
  { name: 'right-to-left login', page: 'login', locals: { ...FORM, app: RTL_APP } },
  {
    name: 'hostile password',
    page: 'password',
    locals: { ...FORM, app: HOSTILE_APP, account: LONG, switchAction: '/switch' },
  },
  {
    name: 'hostile consent',
    page: 'consent',
    locals: {
      ...CONSENT,
      app: HOSTILE_APP,
      account: LONG,
      redirectHost: `${'deep.'.repeat(45)}example`,
      scopes: [
        { name: 'constructor', title: ATTACK, description: ATTACK },
        { name: '__proto__', title: 'x'.repeat(300) },
      ],
      claims: [ATTACK, 'toString', 'y'.repeat(200)],
      resources: [{ name: ATTACK, scopes: [{ name: 'z'.repeat(200), description: ATTACK }] }],
      authorizationDetails: [ATTACK],
      offline: true,
    },
  },
  {
    name: 'right-to-left consent',
    page: 'consent',
    locals: { ...CONSENT, app: RTL_APP, scopes: [], offline: false },
  },
  {
    name: 'hostile logout',
    page: 'logout',
    locals: { ...LIBRARY_FORM, xsrf: ATTACK, app: HOSTILE_APP },
  },
  { name: 'hostile still-signed-in', page: 'still-signed-in', locals: { app: HOSTILE_APP } },
  { name: 'hostile signed-out', page: 'signed-out', locals: { app: HOSTILE_APP } },
  {
    name: 'hostile device',
    page: 'device',
    locals: { ...LIBRARY_FORM, error: 'wrong', userCode: ATTACK },
  },
  {
    name: 'hostile device-confirm',
    page: 'device-confirm',
    locals: {
      ...LIBRARY_FORM,
      app: HOSTILE_APP,
      account: LONG,
      userCode: 'W'.repeat(60),
      deviceInfo: { ip: ATTACK, userAgent: `${ATTACK} ${'U'.repeat(400)}` },
    },
  },
  { name: 'hostile device-done', page: 'device-done', locals: { app: HOSTILE_APP } },
  {
    name: 'hostile error',
    page: 'error',
    locals: {
      code: '__proto__.constructor',
      title: ATTACK,
      detail: ATTACK,
      reference: 'r'.repeat(200),
    },
  },
  {
    name: 'hostile setup',
    page: 'setup',
    locals: {
      action: '/post',
      minLength: 15,
      name: ATTACK,
      email: LONG,
      error: { field: 'form', key: ATTACK },
    },
  },
  { name: 'hostile setup-done', page: 'setup-done', locals: { account: LONG, nextUrl: '/' } },
  ...HOSTILE_BRANDING,
  ...HOSTILE_ORGANIZATION_SIGN_IN,
  ...HOSTILE_ORGANIZATION_ACTIVITY,
  ...HOSTILE_DOMAINS,
  ...HOSTILE_INVITATIONS,
  ...HOSTILE_ROLES,
];
