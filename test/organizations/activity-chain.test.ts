import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { record } from '../../src/audit/record.ts';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import type { Organization } from '../../src/organizations/store.ts';
import type { User } from '../../src/users/store.ts';
import { openAccount } from '../account/account.ts';
import { plintoOn } from '../cli/plinto.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm } from '../support/visitor.ts';

const EVENTS = 10;

let app: TestApp;
let ada: User;
let made = 0;

beforeAll(async () => {
  app = await startApp();
  ada = await app.createUser();
});
afterAll(() => app.stop());

/** An organization with ten events, among those of others. */
async function newOrganization(): Promise<Organization> {
  const { db } = app.runtime.deps;
  const create = async () => {
    made += 1;
    const result = await transaction(db, (trx) =>
      createOrganization(trx, SYSTEM, { name: `Org ${made}`, ownerId: ada.id }),
    );
    if (!result.ok) throw new Error(result.reason);
    return result.organization;
  };
  const [organization, other] = [await create(), await create()];
  for (let i = 1; i < EVENTS; i += 1) {
    await transaction(db, async (trx) => {
      for (const { id } of [other, organization]) {
        const data = { name: `d${i}.example` };
        await record(trx, SYSTEM, { type: 'domain.added', organizationId: id, data });
      }
    });
  }
  return organization;
}

/** What only somebody who owns the database can do: write past what guards the log. */
async function tamper(work: (trx: Trx) => Promise<unknown>): Promise<void> {
  await transaction(app.runtime.deps.db, async (trx) => {
    const switchTo = (state: string) =>
      trx.raw(`ALTER TABLE audit_events ${state} TRIGGER audit_events_append_only;
        ALTER TABLE audit_events ${state} TRIGGER audit_events_chain`);
    await switchTo('DISABLE');
    await work(trx);
    await switchTo('ENABLE');
  });
}

describe('the chain of an organization’s events', () => {
  test.each([1, 3, 10, 1000])('is whole, read %d at a time', async (batch) => {
    const { id } = await newOrganization();
    expect(await verifyChain(app.runtime.deps.db, id, batch)).toEqual({
      ok: true,
      events: EVENTS,
      head: expect.stringMatching(/^[\da-f]{64}$/),
    });
  });

  test('is whole where there are no events', async () => {
    const nobodys = '00000000-0000-7000-8000-0000000000cc';
    const verdict = await verifyChain(app.runtime.deps.db, nobodys);
    expect(verdict).toEqual({ ok: true, events: 0, head: '' });
  });

  type Change = (trx: Trx, id: string) => Promise<unknown>;
  const at = (trx: Trx, id: string, position: number) =>
    trx('audit_events').where({ organization_id: id, position });
  const copy = (trx: Trx, id: string, position: string, hash: string) =>
    trx.raw(
      `INSERT INTO audit_events (id, type, actor, organization_id, position, hash)
       SELECT gen_random_uuid(), 'domain.added', 'system', :id, ${position}, ${hash}`,
      { id },
    );

  test.each<[string, Change, number | 'id']>([
    ['what an event says is changed', (t, id) => at(t, id, 5).update({ data: '{}' }), 5],
    ['who did it is changed', (t, id) => at(t, id, 3).update({ actor: 'cli:x' }), 3],
    ['when it was is changed', (t, id) => at(t, id, 1).update({ at: '2020-01-01' }), 1],
    ['whom it is about is changed', (t, id) => at(t, id, 10).update({ user_id: id }), 10],
    ['the last is changed', (t, id) => at(t, id, 10).update({ ip: '192.0.2.1' }), 10],
    ['the first is deleted', (t, id) => at(t, id, 1).delete(), 1],
    ['one is deleted', (t, id) => at(t, id, 4).delete(), 4],
    [
      'several are deleted',
      (t, id) =>
        t('audit_events').where({ organization_id: id }).whereIn('position', [6, 7]).delete(),
      6,
    ],
    ['the last is deleted', (t, id) => at(t, id, 10).delete(), 10],
    ['all are deleted', (t, id) => t('audit_events').where({ organization_id: id }).delete(), 1],
    [
      'one is deleted and the others are moved up',
      async (t, id) => {
        await at(t, id, 4).delete();
        for (let place = 5; place <= 10; place += 1) {
          await at(t, id, place).update({ position: place - 1 });
        }
      },
      4,
    ],
    [
      'two change places',
      async (t, id) => {
        await at(t, id, 5).update({ position: 0 });
        await at(t, id, 6).update({ position: 5 });
        await at(t, id, 0).update({ position: 6 });
      },
      5,
    ],
    [
      'one of another organization is taken over',
      async (t, id) => {
        await at(t, id, 5).delete();
        await t.raw(
          `UPDATE audit_events SET organization_id = :id WHERE id = (SELECT id FROM audit_events
          WHERE position = 5 AND organization_id IS NOT NULL AND organization_id <> :id LIMIT 1)`,
          { id },
        );
      },
      5,
    ],
    ['one is put in without a place', (t, id) => copy(t, id, 'NULL', 'NULL'), 'id'],
    ['one is put in after the head', (t, id) => copy(t, id, '11', `'\\x00'`), 'id'],
    ['one is put in before the first', (t, id) => copy(t, id, '0', `'\\x00'`), 'id'],
    [
      'the head says something else',
      (t, id) =>
        t('audit_chains')
          .where({ organization_id: id })
          .update({ hash: Buffer.alloc(32) }),
      10,
    ],
    [
      'the head is further on',
      (t, id) => t('audit_chains').where({ organization_id: id }).update({ position: 12 }),
      11,
    ],
    [
      'the head is gone',
      (t, id) => t('audit_chains').where({ organization_id: id }).delete(),
      'id',
    ],
  ])('is broken where %s', async (_, change, where) => {
    const { id } = await newOrganization();
    await tamper((trx) => change(trx, id));
    for (const batch of [3, 1000]) {
      const verdict = await verifyChain(app.runtime.deps.db, id, batch);
      const broken = where === 'id' ? { id: expect.any(String) } : { position: where };
      expect(verdict).toEqual({ ok: false, ...broken });
    }
  });

  test('can’t be changed while what guards it is there', async () => {
    const { id } = await newOrganization();
    const { db } = app.runtime.deps;
    const all = db('audit_events').where({ organization_id: id });
    await expect(all.clone().update({ data: '{}' })).rejects.toThrow('append-only');
    await expect(all.clone().delete()).rejects.toThrow('append-only');
  });

  test('has one place for each of twenty events at once on two servers', async () => {
    const { id, slug } = await newOrganization();
    const replica = await app.startReplica();
    const path = `/account/organizations/${slug}/branding`;
    const { visitor, page } = await openAccount(app, 'ada@example.com', path);
    const { action, hidden } = findForm(page, '/branding/accent');
    const elsewhere = new URL(action);
    elsewhere.port = String(replica.port);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const accent = `#00${String(i + 10)}00`;
        const body = new URLSearchParams({ ...hidden, accent, picked: accent });
        return visitor.request(i % 2 === 0 ? action : elsewhere.href, { method: 'POST', body });
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(303));
    const places = await app.runtime.deps
      .db('audit_events')
      .where({ organization_id: id })
      .orderBy('position')
      .pluck('position');
    expect(places.map(Number)).toEqual(Array.from({ length: EVENTS + 20 }, (_, i) => i + 1));
    expect(await verifyChain(app.runtime.deps.db, id)).toMatchObject({ ok: true, events: 30 });
  });
});

test('plinto org activity shows the log, and says whether the chain holds', async () => {
  const { id, slug } = await newOrganization();
  const on = plintoOn(app.database, { ISSUER: app.issuer });
  const shown = await on(['org', 'activity', slug, '--limit', '2', '--json']);
  expect(shown.json()).toMatchObject({
    items: [
      { type: 'domain.added', actor: 'system', user: null, data: { name: 'd9.example' } },
      { type: 'domain.added', data: { name: 'd8.example' } },
    ],
    next: expect.any(String),
  });
  const whole = await on(['org', 'activity', slug, '--verify']);
  expect([whole.code, whole.stdout]).toEqual([
    0,
    expect.stringMatching(/^10 events, chain intact\nhead [\da-f]{64}\n$/),
  ]);
  await tamper((trx) => trx('audit_events').where({ organization_id: id, position: 7 }).delete());
  const broken = await on(['org', 'activity', slug, '--verify', '--json']);
  expect([broken.code, broken.stdout, broken.stderr]).toEqual([
    1,
    '',
    `plinto: the chain of ${slug} is broken: event 7 is the first that doesn't fit\n`,
  ]);
});
