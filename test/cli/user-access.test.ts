import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as oidc from 'openid-client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { PASSWORD } from '../support/app.ts';
import { createRelyingParty, errorOf } from '../support/relying-party.ts';
import { createVisitor } from '../support/visitor.ts';
import { type AccountApp, startAccountApp } from './account-app.ts';
import { ACTOR, expectFailure, jsonOf } from './plinto.ts';

let at: AccountApp;

beforeAll(async () => {
  at = await startAccountApp();
});
afterAll(() => at.stop());

test('sessions are listed; one is ended, then all with what apps do without one', async () => {
  const user = await at.app.createUser({ email: 'many@example.com' });
  const firefox = createVisitor({
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  });
  const other = createVisitor();
  await at.signIn('many@example.com', PASSWORD, firefox);
  await at.signIn('many@example.com', PASSWORD, other);
  const { items } = await jsonOf<{ items: Record<string, unknown>[] }>(
    at.user(['sessions', 'many@example.com', '--json']),
  );
  expect(items).toHaveLength(2);
  const session = items.find(({ device }) => device === 'Firefox, Linux');
  expect(session).toEqual({
    id: expect.stringMatching(/^[\w-]{22}$/),
    device: 'Firefox, Linux',
    place: null,
    ip: expect.stringContaining('127.0.0.1'),
    signed_in: expect.stringMatching(/Z$/),
    last_seen: expect.stringMatching(/Z$/),
    amr: ['pwd'],
    user_agent: expect.stringContaining('Firefox/140.0'),
    expires_at: expect.stringMatching(/Z$/),
  });
  const end = (...args: string[]) => at.user(['end-session', 'many@example.com', ...args]);
  const one = await end(String(session?.id));
  expect(one).toMatchObject({ code: 0, stdout: 'Ended a session of many@example.com.\n' });
  expect([await at.isSignedIn(firefox), await at.isSignedIn(other)]).toEqual([false, true]);
  await expectFailure(end(String(session?.id)), 'has no session');

  const party = await createRelyingParty(at.app, { scope: 'openid offline_access' });
  const tokens = await party.signIn(
    { scope: 'openid offline_access' },
    { identifier: 'many@example.com' },
  );
  expect(await jsonOf(end('--all', '--json'))).toEqual({ id: user.id, ended: 2 });
  expect(await at.isSignedIn(other)).toBe(false);
  const refreshed = oidc.refreshTokenGrant(party.config, String(tokens.refresh_token));
  expect(await errorOf(refreshed)).toBe('invalid_grant');
  const none = await at.user(['sessions', 'many@example.com']);
  expect(none.stdout).toBe('many@example.com is not signed in anywhere.\n');
  expect(await at.auditedOf(user.id)).toEqual([
    { type: 'session.ended', data: {} },
    { type: 'session.ended', data: { everything: true } },
  ]);
});

test('connected apps are listed, and one is taken its access', async () => {
  const user = await at.app.createUser({ email: 'apps@example.com' });
  const party = await createRelyingParty(at.app, { name: 'Mail', scope: 'openid email' });
  const tokens = await party.signIn({ scope: 'openid email' }, { identifier: 'apps@example.com' });
  const { items } = await jsonOf<{ items: unknown[] }>(
    at.user(['apps', 'apps@example.com', '--json']),
  );
  expect(items).toEqual([
    {
      client: party.client.id,
      name: 'Mail',
      since: expect.stringMatching(/Z$/),
      last_used: expect.stringMatching(/Z$/),
      scopes: ['openid', 'email'],
      claims: [],
      resources: {},
    },
  ]);
  const revoke = () => at.user(['revoke-app', 'apps@example.com', party.client.id]);
  expect(await revoke()).toMatchObject({ code: 0, stderr: '' });
  const asked = oidc.fetchUserInfo(party.config, tokens.access_token, user.id);
  expect(await errorOf(asked)).toBe('invalid_token');
  const none = await at.user(['apps', 'apps@example.com']);
  expect(none.stdout).toBe('No app is connected to apps@example.com.\n');
  await expectFailure(revoke(), 'is connected to apps@example.com: `plinto user apps` lists them');
  expect(await at.auditedOf(user.id)).toEqual([{ type: 'consent.revoked', data: {} }]);
});

test('what happened with an account is shown with who did it, as a table, JSON and CSV', async () => {
  await at.app.createUser({ email: 'log@example.com' });
  await at.user(['update', 'log@example.com', '--nickname', 'One']);
  await at.user(['update', 'log@example.com', '--nickname', 'Two']);
  const show = (...args: string[]) => at.user(['activity', 'log@example.com', ...args]);
  type Events = { items: { id: string }[]; next: string | null };
  const first = await jsonOf<Events>(show('--limit', '1', '--json'));
  expect(first.items).toEqual([
    {
      id: expect.any(String),
      at: expect.stringMatching(/Z$/),
      type: 'profile.updated',
      actor: ACTOR,
      client: null,
      ip: null,
      device: null,
      user_agent: null,
      request_id: null,
      data: { fields: ['nickname'] },
    },
  ]);
  expect(first.next).toBe(first.items[0]?.id);
  const second = await jsonOf<Events>(show('--after', String(first.next), '--json'));
  expect(second).toMatchObject({
    items: [
      { type: 'profile.updated', actor: ACTOR },
      { type: 'password.set', actor: 'system' },
      { type: 'user.created', actor: 'system' },
    ],
    next: null,
  });
  const table = await show('--type', 'user.created', '--type', 'password');
  expect(table.stdout.split('\n').map((line) => line.split(/ +/)[1])).toEqual([
    'TYPE',
    'password.set',
    'user.created',
    undefined,
  ]);
  const csv = await show('--csv', '--type', 'profile');
  expect(csv.stdout.split('\n')).toEqual([
    '"id","at","type","actor","client","ip","user_agent","request_id","data"',
    ...[first, second].map(({ items }) =>
      expect.stringMatching(
        new RegExp(`^"${items[0]?.id}",".*Z","profile.updated","${ACTOR}","","","","","{""fields`),
      ),
    ),
    '',
  ]);
});

test('what is stored of a user is written down as they can download it', async () => {
  const name = 'evil \u202e name';
  const { id } = await at.app.createUser({ email: 'data@example.com', profile: { name } });
  await at.signIn('data@example.com');
  const folder = mkdtempSync(join(tmpdir(), 'plinto-export-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const output = join(folder, 'data.json');
  const written = await at.user(['export', 'data@example.com', '--output', output]);
  expect(written).toMatchObject({
    code: 0,
    stderr: '',
    stdout: `Wrote what is stored of data@example.com to ${output}.\n`,
  });
  expect(statSync(output).mode & 0o777).toBe(0o600);
  const file = JSON.parse(readFileSync(output, 'utf8'));
  expect(file).toMatchObject({
    user: { id, email: 'data@example.com', name },
    sign_ins: [{ amr: ['pwd'] }],
    activity: expect.arrayContaining([expect.objectContaining({ type: 'sign_in.succeeded' })]),
  });
  const { hash } = await at.app.runtime.deps.db('passwords').where({ user_id: id }).first('hash');
  expect(readFileSync(output, 'utf8')).not.toContain(hash);
  await at.expectRefusal(['export', 'data@example.com', '--output', output], 'is there already');
  await at.expectRefusal(['export', 'data@example.com', '--output', `${folder}/no/x`], 'ENOENT');

  const printed = await at.user(['export', 'data@example.com']);
  expect(printed.stdout).not.toContain('\u202e');
  const again = { ...file, exported_at: expect.any(String), activity: expect.any(Array) };
  expect(printed.json()).toEqual(again);
  expect(await jsonOf(at.user(['export', 'data@example.com', '--json']))).toEqual(again);
  const exported = { type: 'user.exported', data: {} };
  expect(await at.auditedOf(id)).toEqual([exported, exported, exported]);
});

test('a deletion that was asked for is told, kept from, and done at once', async () => {
  const { id } = await at.app.createUser({ email: 'leaver@example.com' });
  const visitor = createVisitor();
  await at.signIn('leaver@example.com', PASSWORD, visitor);
  const asked = await jsonOf(at.user(['delete', 'leaver@example.com', '--yes', '--json']));
  const due = (await at.find(id))?.delete_after;
  expect(asked).toEqual({ id, delete_after: due?.toISOString() });
  expect(Math.round((Number(due) - Date.now()) / 86_400_000)).toBe(14);
  expect(await at.isSignedIn(visitor)).toBe(false);
  const told = await at.mailbox.waitFor('leaver@example.com');
  expect(told.subject).toBe('Your Plinto account will be deleted');
  const before = at.mailbox.messages.length;

  const kept = await at.user(['keep', 'leaver@example.com']);
  expect(kept.stdout).toBe('leaver@example.com keeps their account.\n');
  expect(await at.find(id)).toMatchObject({ delete_after: null });
  const stays = await at.mailbox.waitFor('leaver@example.com', { after: before });
  expect(stays.subject).toBe('Your Plinto account stays');
  const again = await at.user(['keep', 'leaver@example.com']);
  expect(again.stdout).toBe('Nobody asked for leaver@example.com to be deleted.\n');

  await at.user(['delete', 'leaver@example.com', '--yes']);
  const now = await at.user(['delete', 'leaver@example.com', '--yes', '--now']);
  expect(now).toMatchObject({ code: 0, stdout: 'Deleted leaver@example.com.\n' });
  expect(await at.find(id)).toBeUndefined();
  await at.mailbox.waitFor(({ subject }) => subject === 'Your Plinto account was deleted');
  // Of somebody who is gone, the log is left.
  const last = await jsonOf(at.user(['activity', id, '--limit', '1', '--json']));
  expect(last).toMatchObject({ items: [{ type: 'user.deleted', actor: ACTOR }] });
  expect((await at.auditedOf(id)).map(({ type }) => type)).toEqual([
    'user.deletion_requested',
    'user.deletion_cancelled',
    'user.deletion_requested',
    'user.deletion_requested',
    'user.deleted',
  ]);
});

test('a deletion needs a yes, and somebody else to administer', async () => {
  await at.app.createUser({ email: 'boss@example.com', administrator: true });
  await at.expectRefusal(['delete', 'boss@example.com'], 'say so with --yes');
  const last = 'boss@example.com is the last administrator: make another first';
  await at.expectRefusal(['delete', 'boss@example.com', '--yes'], last);
  await at.expectRefusal(['delete', 'boss@example.com', '--yes', '--now'], last);
});
