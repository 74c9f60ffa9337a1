import type { Sample } from '../page-samples.ts';
import { ACCOUNT_PAGE, LONG_ACCOUNT_PAGE } from './account-frame.ts';

const APP = { name: 'Harbour Notes' };
const ACCOUNT = 'ada.lovelace@example.com';
const STEP = {
  base: '/interaction/uid',
  action: '/post',
  abortAction: '/abort',
  app: APP,
  account: ACCOUNT,
  identifier: ACCOUNT,
};
const REQUEST = {
  challenge: 'Y2hhbGxlbmdl',
  rpId: 'localhost',
  timeout: 300_000,
  userVerification: 'required',
  allowCredentials: [],
};
const CREATION = {
  challenge: 'Y2hhbGxlbmdl',
  rp: { id: 'localhost', name: 'Plinto' },
  user: { id: 'AZq-1Q', name: ACCOUNT, displayName: 'Ada Lovelace' },
  timeout: 300_000,
  pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
  excludeCredentials: [],
  authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  attestation: 'none',
};
const SIGNALS = {
  signalAllAcceptedCredentials: {
    rpId: 'localhost',
    userId: 'AZq-1Q',
    allAcceptedCredentialIds: [],
  },
};
const PASSKEY = {
  id: 'c29tZS1jcmVkZW50aWFs',
  name: 'iCloud Keychain',
  created: 'Nov 20, 2026, 8:02 AM',
  lastUsed: 'Nov 23, 2026, 9:14 PM',
  kept: 'synced',
};
const HOSTILE = '"><script>window.hit=1</script>'.repeat(2);
const LIST = { ...ACCOUNT_PAGE, passkeySignals: SIGNALS, passkeyOptions: CREATION };

/** Passkeys on the way in and in the account. */
export const SAMPLES: Sample[] = [
  {
    name: 'login with passkey',
    page: 'login',
    locals: {
      ...STEP,
      identifier: undefined,
      offers: ['code', 'reset-password', 'register'],
      passkeyOptions: REQUEST,
    },
  },
  {
    name: 'login with passkey only',
    page: 'login',
    locals: { ...STEP, identifier: undefined, passkeyOptions: REQUEST },
  },
  {
    name: 'login with suspicious passkey',
    page: 'login',
    locals: { ...STEP, error: 'passkey_suspicious', passkeyOptions: REQUEST },
  },
  {
    name: 'password with passkey',
    page: 'password',
    locals: { ...STEP, switchAction: '/switch', passkeyOptions: REQUEST },
  },
  {
    name: 'passkey',
    page: 'passkey',
    locals: {
      ...STEP,
      switchAction: '/switch',
      others: ['totp', 'recovery-code'],
      rememberDays: 30,
      passkeyOptions: REQUEST,
    },
  },
  {
    name: 'passkey refused',
    page: 'passkey',
    locals: { ...STEP, others: [], error: 'passkey_wrong', passkeyOptions: REQUEST },
  },
  {
    name: 'enrol-passkey',
    page: 'enrol-passkey',
    locals: { ...STEP, others: ['enrol-totp', 'enrol-passkey'], passkeyOptions: CREATION },
  },
  {
    name: 'enrol-passkey refused',
    page: 'enrol-passkey',
    locals: { ...STEP, others: ['enrol-passkey'], error: 'model', passkeyOptions: CREATION },
  },
  { name: 'passkey-offer', page: 'passkey-offer', locals: { ...STEP, passkeyOptions: CREATION } },
  {
    name: 'passkey-offer refused',
    page: 'passkey-offer',
    locals: { ...STEP, error: 'expired', passkeyOptions: CREATION },
  },
  { name: 'account-passkeys', page: 'account-passkeys', locals: { ...LIST, passkeys: [] } },
  {
    name: 'account-passkeys some',
    page: 'account-passkeys',
    locals: {
      ...LIST,
      frame: { ...ACCOUNT_PAGE.frame, done: 'passkey_added' },
      passkeys: [
        { ...PASSKEY, id: 'Zmlyc3Q', name: 'YubiKey 5 NFC', kept: 'one_device' },
        PASSKEY,
        { ...PASSKEY, id: 'dGhpcmQ', name: 'Chrome, Android', lastUsed: null, kept: 'not_yet' },
      ],
    },
  },
  {
    name: 'account-passkeys misnamed',
    page: 'account-passkeys',
    locals: { ...LIST, passkeys: [PASSKEY], error: { key: 'name', passkey: PASSKEY.id } },
  },
  {
    name: 'account-passkeys needed',
    page: 'account-passkeys',
    locals: { ...LIST, passkeys: [PASSKEY], error: { key: 'last_factor', passkey: PASSKEY.id } },
  },
  {
    name: 'account-passkeys refused',
    page: 'account-passkeys',
    locals: { ...LIST, passkeys: [PASSKEY], error: { key: 'taken' } },
  },
  {
    name: 'account-passkeys full and hostile',
    page: 'account-passkeys',
    locals: {
      ...LIST,
      ...LONG_ACCOUNT_PAGE,
      passkeyOptions: undefined,
      passkeys: [{ ...PASSKEY, name: HOSTILE }],
    },
  },
];
