import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Page as BrowserPage, CDPSession } from 'playwright-core';
import type { Page } from './visitor.ts';

type Options = {
  challenge: string;
  rp?: { id: string };
  rpId?: string;
  user?: { id: string };
  allowCredentials?: { id: string }[];
  excludeCredentials?: { id: string }[];
};

/** What WebAuthn's JSON says of a credential that was made or used. */
export type Answer = { id: string; rawId: string; type: string; response: Record<string, unknown> };

/** What an authenticator does otherwise than it should. */
export type Quirks = {
  origin?: string;
  crossOrigin?: boolean;
  type?: string;
  rpId?: string;
  challenge?: string;
  userVerified?: boolean;
  userPresent?: boolean;
  /** Base64url; null for none. */
  userHandle?: string | null;
  counter?: number;
  aaguid?: string;
  /** May be synced, and is. */
  synced?: boolean;
  /** Signs with this key in place of the credential's own. */
  key?: KeyObject;
  credentialId?: string;
};

/** One key pair of somebody, as an authenticator keeps it. */
export type SoftCredential = {
  id: string;
  privateKey: KeyObject;
  userHandle: string;
  /** Never moves unless a test says so, as that of synced passkeys. */
  counter: number;
  synced: boolean;
};

const NO_MODEL = '00000000-0000-0000-0000-000000000000';

/** An authenticator made of nothing but keys: it says whatever a test wants. */
export function createAuthenticator(origin: string) {
  const credentials: SoftCredential[] = [];
  return {
    credentials,
    /** Makes a credential. */
    create: (options: Options, quirks: Quirks = {}): Answer => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const id = quirks.credentialId ?? randomBytes(20).toString('base64url');
      const { counter = 0, synced = false } = quirks;
      const userHandle = String(options.user?.id);
      credentials.push({ id, privateKey, userHandle, counter, synced });
      const model = Buffer.from((quirks.aaguid ?? NO_MODEL).replaceAll('-', ''), 'hex');
      const idBytes = Buffer.from(id, 'base64url');
      const length = Buffer.alloc(2);
      length.writeUInt16BE(idBytes.length);
      const attested = Buffer.concat([model, length, idBytes, coseKey(publicKey)]);
      const authData = authenticatorData(String(options.rp?.id), quirks, attested);
      const object = new Map<string, Cbor>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ]);
      const response = {
        clientDataJSON: clientData('webauthn.create', options, origin, quirks),
        attestationObject: encode(object).toString('base64url'),
        transports: ['internal', 'hybrid'],
      };
      return { id, rawId: id, type: 'public-key', response };
    },
    /** Uses a credential: the newest, unless another is named. */
    get: (options: Options, quirks: Quirks = {}, credential = credentials.at(-1)): Answer => {
      if (credential === undefined) throw new Error('there is no credential');
      const { id, privateKey, counter, synced } = credential;
      const told = { counter, synced, ...quirks };
      const authData = authenticatorData(String(options.rpId), told);
      const json = clientData('webauthn.get', options, origin, quirks);
      const hash = createHash('sha256').update(Buffer.from(json, 'base64url')).digest();
      const signed = Buffer.concat([authData, hash]);
      const signature = sign('sha256', signed, quirks.key ?? privateKey).toString('base64url');
      const { userHandle = credential.userHandle } = quirks;
      const response = {
        clientDataJSON: json,
        authenticatorData: authData.toString('base64url'),
        signature,
        ...(userHandle !== null && { userHandle }),
      };
      const name = quirks.credentialId ?? id;
      return { id: name, rawId: name, type: 'public-key', response };
    },
  };
}

export type Authenticator = ReturnType<typeof createAuthenticator>;

function clientData(
  type: string,
  { challenge }: Options,
  origin: string,
  { crossOrigin = false, ...quirks }: Quirks,
): string {
  const said = {
    type: quirks.type ?? type,
    challenge: quirks.challenge ?? challenge,
    origin: quirks.origin ?? origin,
    crossOrigin,
  };
  return Buffer.from(JSON.stringify(said)).toString('base64url');
}

/** Web Authentication Level 3, §6.1. */
function authenticatorData(rpId: string, quirks: Quirks, attested?: Buffer): Buffer {
  const { userVerified = true, userPresent = true, synced = false, counter = 0 } = quirks;
  const flags =
    Number(userPresent) |
    (Number(userVerified) << 2) |
    (Number(synced) << 3) |
    (Number(synced) << 4) |
    (Number(attested !== undefined) << 6);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(counter);
  const hash = createHash('sha256')
    .update(quirks.rpId ?? rpId)
    .digest();
  return Buffer.concat([hash, Buffer.from([flags]), count, attested ?? Buffer.alloc(0)]);
}

function coseKey(publicKey: KeyObject): Buffer {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const key = new Map<number, Cbor>([
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, Buffer.from(x, 'base64url')],
    [-3, Buffer.from(y, 'base64url')],
  ]);
  return encode(key);
}

type Cbor = number | string | Buffer | Map<string, Cbor> | Map<number, Cbor>;

/** As much of RFC 8949 as an authenticator writes. */
function encode(value: Cbor): Buffer {
  if (typeof value === 'number') {
    return value >= 0 ? head(0, value) : head(1, -1 - value);
  }
  if (typeof value === 'string') return Buffer.concat([head(3, value.length), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  const entries = [...value].flatMap(([key, one]) => [encode(key), encode(one)]);
  return Buffer.concat([head(5, value.size), ...entries]);
}

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

/** What the browser is asked by the form of a page, if it is. */
export function optionsIn(page: Page): Options | undefined {
  const json = /data-options="([^"]*)"/.exec(page.html)?.[1];
  return json === undefined ? undefined : JSON.parse(unescapeHtml(json));
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&#34;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}

/** A credential as Chromium's virtual authenticator tells it. */
export type VirtualCredential = {
  credentialId: string;
  isResidentCredential: boolean;
  rpId?: string;
  privateKey: string;
  userHandle?: string;
  signCount: number;
};

/** An authenticator of a real browser that nobody has to touch. */
export type VirtualAuthenticator = {
  credentials: () => Promise<VirtualCredential[]>;
  /** What happens to those who confirm: their finger is known, or it isn't. */
  setUserVerified: (isUserVerified: boolean) => Promise<void>;
  /** Without it every question waits. */
  setPresence: (enabled: boolean) => Promise<void>;
  add: (credential: VirtualCredential) => Promise<void>;
  clear: () => Promise<void>;
  remove: () => Promise<void>;
};

/** Gives a tab an authenticator that keeps passkeys, by the protocol of Chromium's developer tools. */
export async function addVirtualAuthenticator(
  page: BrowserPage,
  options: Record<string, unknown> = {},
): Promise<VirtualAuthenticator> {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  return {
    credentials: async () =>
      (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    setUserVerified: async (isUserVerified) => {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
    },
    setPresence: async (enabled) => {
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
    },
    add: async (credential) => {
      await cdp.send('WebAuthn.addCredential', { authenticatorId, credential });
    },
    clear: async () => {
      await cdp.send('WebAuthn.clearCredentials', { authenticatorId });
    },
    remove: async () => {
      await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
    },
  };
}
