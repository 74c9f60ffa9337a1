import { afterAll, beforeAll, expect, test } from 'vitest';
import type { User } from '../../src/users/store.ts';
import { invite } from '../organizations/invitations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor, pageName } from '../support/visitor.ts';
import { ACTOR, expectFailure, jsonOf, plintoOn } from './plinto.ts';

let mailbox: Mailbox;
let app: TestApp;
let org: ReturnType<typeof plintoOn>;
let bob: User;

beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startApp({ SMTP_URL: mailbox.url });
  const on = plintoOn(app.database, { ISSUER: app.issuer, SMTP_URL: mailbox.url });
  org = (args) => on(['org', ...args]);
  bob = await app.createUser({ email: 'bob@example.com' });
});
afterAll(async () => {
  await app.stop();
  await mailbox.stop();
});

async function eventsOf(slug: string): Promise<string[]> {
  const { db } = app.runtime.deps;
  const { id } = await db('organizations').where({ slug }).first();
  const found = db('audit_events').where({ organization_id: id, actor: ACTOR });
  return found.orderBy('position').pluck('type');
}

test('people are invited, each with a result of their own', async () => {
  await org(['create', '--name', 'Inviting', '--owner', 'bob@example.com']);
  const addresses = ['new@example.com', 'BOB@example.com', 'nobody', 'new@example.com'];
  const options = ['--role', 'admin', '--message', 'Come in', '--days', '3', '--json'];
  const outcome = await org(['invite', 'inviting', ...addresses, ...options]);
  // Somebody is left out; the others are invited.
  expect(outcome).toMatchObject({ code: 1, stderr: '' });
  const { results } = outcome.json<{ results: { address: string; result: string }[] }>();
  expect(results.map(({ result }) => result)).toEqual([
    'invited',
    'member',
    'invalid',
    'duplicate',
  ]);
  const mail = await mailbox.waitFor('new@example.com');
  expect(mail.subject).toBe('You are invited to an organization at Plinto');
  // No person invites, and the installation isn't said to.
  expect(mail.text).toContain('You are invited to join Inviting at Plinto.');
  expect(mail.text).toContain('Come in');
  const again = await org(['invite', 'inviting', 'new@example.com']);
  expect(again).toMatchObject({
    code: 0,
    stdout: 'new@example.com: invited again; the link before no longer works\n',
  });
  expect(await eventsOf('inviting')).toEqual([
    'organization.created',
    'invitation.created',
    'invitation.resent',
  ]);
});

test('open invitations are listed with who sent them and who asks, and taken back', async () => {
  const create = ['create', '--name', 'Open', '--owner', 'bob@example.com', '--json'];
  const { id } = await jsonOf<{ id: string }>(org(create));
  const invitation = (...args: string[]) => org(['invitation', ...args]);
  expect((await invitation('list', 'open')).stdout).toBe('Nobody is invited.\n');
  const theirs = await invite(app, id, { userId: bob.id }, 'one@example.com');
  await jsonOf(org(['invite', 'open', 'two@example.com', '--role', 'admin', '--json']));
  const { db } = app.runtime.deps;
  const asks = await app.createUser({ email: 'asks@example.com' });
  const ids = { organization_id: id, id: theirs.id };
  await db('invitations').where(ids).update({ requested_by: asks.id });

  type Listed = { items: { id: string }[]; next: string };
  const first = await jsonOf<Listed>(invitation('list', 'open', '--limit', '1', '--json'));
  expect(first.items).toEqual([
    {
      id: first.next,
      email: 'two@example.com',
      state: 'open',
      roles: ['admin'],
      inviter: null,
      requester: null,
      app: null,
      sent_at: expect.any(String),
      expires_at: expect.any(String),
    },
  ]);
  await db('invitations').where(ids).update({ expires_at: db.fn.now() });
  const rest = await invitation('list', 'open', '--after', first.next);
  expect(rest.stdout).toMatch(
    /^EMAIL .*\none@example\.com +expired +member +bob@example\.com +asks@example\.com +\d{4}-\S+\n$/,
  );
  await expectFailure(invitation('list', 'open', '--after', 'two@example.com'), 'is no id');

  const mail = await mailbox.waitFor('two@example.com');
  const [link = ''] = /http\S+\/join\/\S+/.exec(mail.text ?? '') ?? [];
  const opened = async () => pageName(await createVisitor().open(link));
  expect(await opened()).toBe('join');
  expect((await invitation('revoke', 'open', 'TWO@example.com')).stdout).toBe(
    'The invitation of two@example.com to open no longer works.\n',
  );
  expect(await opened()).toBe('error');
  for (const address of ['two@example.com', 'three@example.com', 'nobody']) {
    const says = `open has no open invitation for ${address}: \`plinto org invitation list\``;
    await expectFailure(invitation('revoke', 'open', address), says);
  }
  await org(['create', '--name', 'Beside', '--owner', 'bob@example.com']);
  await expectFailure(invitation('revoke', 'beside', 'one@example.com'), 'has no open invitation');
  expect(await jsonOf(invitation('revoke', 'open', 'one@example.com', '--json'))).toMatchObject({
    id: theirs.id,
    revoked: true,
  });
  expect((await eventsOf('open')).slice(-2)).toEqual(['invitation.revoked', 'invitation.revoked']);
});
