import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import type { Db } from '../../src/deps.ts';
import { type KeyPolicy, maintainKeys, rotateKeys } from '../../src/oidc/keys/keys.ts';
import { listKeys } from '../../src/oidc/keys/store.ts';
import { keyPolicy } from '../../src/oidc/oidc.ts';
import { assignApi, createApi } from '../support/api.ts';
import { CALLBACK, startApp, type TestApp } from '../support/app.ts';
import { type Credentials, postAs } from '../support/authorization.ts';
import {
  createRelyingParty,
  discover,
  type RelyingParty,
  withConfig,
} from '../support/relying-party.ts';
import { createVisitor, pageName } from '../support/visitor.ts';

const API = 'https://api.example.com';
const SLOTS = ['ec-enc', 'ec-sig', 'okp-sig', 'rsa-enc', 'rsa-sig'];
/** Milliseconds within which every process has to know of a change. */
const AGREE_WITHIN = 5000;

let app: TestApp;
let db: Db;
let policy: KeyPolicy;
let bases: string[];
let party: RelyingParty;
let machine: Credentials;

beforeAll(async () => {
  app = await startApp();
  db = app.runtime.deps.db;
  policy = keyPolicy(app.config, app.runtime.keyring);
  bases = [app.issuer, `http://127.0.0.1:${(await app.startReplica()).port}`];
  await app.createUser();
  party = await createRelyingParty(app);
  machine = await app.createClient({ kind: 'machine' });
  await createApi(app, API, ['read']);
  await assignApi(app, machine.client as never, API);
});
afterAll(() => app.stop());

beforeEach(async () => {
  await db('signing_keys').whereNot({ state: 'current' }).delete();
  await settled();
});

const jwksOf = async (base: string) =>
  (await (await fetch(`${base}/jwks`)).json()) as JSONWebKeySet;

const kidsIn = async (state: string) =>
  (await listKeys(db)).filter((key) => key.state === state).map(({ kid }) => kid);

const slotsIn = async (state: string) =>
  (await listKeys(db))
    .filter((key) => key.state === state)
    .map(({ slot }) => slot)
    .sort();

/** Waits until both servers publish exactly the keys of the database. */
async function settled(): Promise<void> {
  const expected = (await listKeys(db)).map(({ kid }) => kid).sort();
  for (const base of bases) {
    const published = async () => (await jwksOf(base)).keys.map(({ kid }) => kid).sort();
    await expect.poll(published, { timeout: AGREE_WITHIN }).toEqual(expected);
  }
}

/** A JWT signed by one of the servers. */
async function sign(base: string): Promise<string> {
  const fields = { grant_type: 'client_credentials', resource: API, scope: 'read' };
  const response = await postAs(`${base}/token`, machine, fields);
  return ((await response.json()) as { access_token: string }).access_token;
}

const kidOf = (jwt: string) => String(decodeProtectedHeader(jwt).kid);

async function age(column: string, state: string, seconds: number): Promise<void> {
  await db('signing_keys')
    .where({ state })
    .update({ [column]: db.raw('?? - make_interval(secs => ?)', [column, seconds]) });
}

test('replaced at once, new keys sign at every server, and what old ones signed still verifies', async () => {
  const before = await Promise.all(bases.map(sign));
  const old = await kidsIn('current');
  await rotateKeys(db, policy, SYSTEM, { now: true });
  await settled();
  expect(await kidsIn('previous')).toEqual(old);
  const fresh = await kidsIn('current');
  const after = await Promise.all(bases.map(sign));
  for (const jwt of after) expect(fresh).toContain(kidOf(jwt));
  for (const base of bases) {
    const keys = createLocalJWKSet(await jwksOf(base));
    for (const jwt of [...before, ...after]) {
      expect((await jwtVerify(jwt, keys, { issuer: app.issuer })).payload.aud).toBe(API);
    }
  }
});

test('a hint signed by a replaced key is still understood, to go on and to sign out', async () => {
  const visitor = createVisitor();
  const hint = String((await party.signIn({}, { visitor })).id_token);
  await rotateKeys(db, policy, SYSTEM, { now: true });
  await settled();
  expect(await kidsIn('previous')).toContain(kidOf(hint));

  // A client fetches a key set at most once a minute, so this is one that starts now.
  const later = withConfig(await discover(app.issuer, party.client.id, party.secret));
  const silent = await later.authorize({ prompt: 'none', id_token_hint: hint });
  const back = await visitor.open(silent.url, CALLBACK);
  const fresh = await silent.redeem(back.url);
  expect(kidOf(String(fresh.id_token))).not.toBe(kidOf(hint));
  const out = await visitor.open(
    oidc.buildEndSessionUrl(party.config, { id_token_hint: hint }).href,
  );
  expect(pageName(out)).toBe('logout');
});

test('on schedule: published early, signing when everybody has it, kept for what it signed, then gone', async () => {
  const keys = app.config.keys;
  const rotateAfter = keys.rotationDays * 86_400;
  const first = await kidsIn('current');
  expect(await maintainKeys(db, policy)).toBe(false);

  await age('activated_at', 'current', rotateAfter - keys.publishSeconds + 1);
  expect(await maintainKeys(db, policy)).toBe(true);
  expect(await slotsIn('next')).toEqual(SLOTS);
  expect(await kidsIn('current')).toEqual(first);
  await settled();
  const cached = await Promise.all(bases.map(jwksOf));
  expect(await maintainKeys(db, policy)).toBe(false);

  const next = await kidsIn('next');
  await age('created_at', 'next', keys.publishSeconds);
  expect(await maintainKeys(db, policy)).toBe(true);
  expect(await kidsIn('current')).toEqual(next);
  expect(await kidsIn('previous')).toEqual(first);
  // A client that fetched the key set before, and may keep it that long, knows the new key.
  for (const base of bases) {
    await expect.poll(async () => next.includes(kidOf(await sign(base)))).toBe(true);
    for (const jwks of cached) await jwtVerify(await sign(base), createLocalJWKSet(jwks));
  }

  await age('retired_at', 'previous', policy.keepFor - 60);
  expect(await maintainKeys(db, policy)).toBe(false);
  await age('retired_at', 'previous', 120);
  expect(await maintainKeys(db, policy)).toBe(true);
  expect(await slotsIn('previous')).toEqual([]);
  expect(await slotsIn('current')).toEqual(SLOTS);
  await settled();
  const types = await db('audit_events').where('type', 'like', 'signing_key.%').pluck('type');
  expect(new Set(types)).toEqual(
    new Set(['signing_key.created', 'signing_key.activated', 'signing_key.deleted']),
  );
});

test('rotated by hand without haste, the job sees to the rest', async () => {
  await rotateKeys(db, policy, SYSTEM, { now: false });
  await rotateKeys(db, policy, SYSTEM, { now: false });
  const next = await kidsIn('next');
  expect(next).toHaveLength(SLOTS.length);
  await age('created_at', 'next', app.config.keys.publishSeconds);
  await db.raw(`SELECT graphile_worker.add_job('maintain-keys')`);
  await expect.poll(() => kidsIn('current'), { timeout: 10_000 }).toEqual(next);
});

test('any number of processes that maintain the keys at once do it once', async () => {
  await db('signing_keys').delete();
  await Promise.all(Array.from({ length: 8 }, () => maintainKeys(db, policy)));
  expect(await slotsIn('current')).toEqual(SLOTS);
  expect(await listKeys(db)).toHaveLength(SLOTS.length);
  await settled();
});

test('security 33: under load over a scheduled rotation no token fails to verify', async () => {
  let over = false;
  let verified = 0;
  const load = bases.map(async (base, n) => {
    // Each client asks one server for tokens and keeps the other's key set for as long as it may.
    let jwks = createLocalJWKSet(await jwksOf(bases[1 - n] as string));
    for (let i = 1; !over; i += 1) {
      await jwtVerify(await sign(base), jwks);
      verified += 1;
      if (i % 10 === 0) jwks = createLocalJWKSet(await jwksOf(bases[1 - n] as string));
    }
  });
  const more = async () => {
    const goal = verified + 30;
    await expect.poll(() => verified, { timeout: 20_000 }).toBeGreaterThan(goal);
  };
  await more();
  await rotateKeys(db, policy, SYSTEM, { now: false });
  await settled();
  await more();
  await age('created_at', 'next', app.config.keys.publishSeconds);
  await maintainKeys(db, policy);
  await more();
  over = true;
  await Promise.all(load);
});
