import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { type Actor, buildEstate, type Estate, enterAs, joinAs } from './organization-cast.ts';

let app: TestApp;
let dns: DnsServer;
let estate: Estate;

beforeAll(async () => {
  dns = await startDnsServer();
  app = await startApp({ DNS_SERVERS: dns.address });
  estate = await buildEstate(app, 'Acme');
});
afterAll(async () => {
  await app.stop();
  await dns.close();
});

const db = () => app.runtime.deps.db;
const setOpen = (join_by_domain: boolean) =>
  db()('organizations').where({ id: estate.id }).update({ join_by_domain });

/** A member by one role, with these permissions alone. */
async function enterWith(...permissions: string[]): Promise<Actor> {
  const id = randomUUID();
  const key = `role-${id}`;
  await db()('roles').insert({ id, organization_id: estate.id, key, name: key, permissions });
  const user = await app.createUser({ email: `${id}@example.com` });
  await joinAs(app, estate.id, user.id, [id]);
  return enterAs(app, user);
}

test('security 22: nobody lets people join by domain, as members, who lacks what members hold', async () => {
  await db()('domains')
    .where({ id: estate.params.domain })
    .update({ verified_at: db().fn.now(), checked_at: db().fn.now() });
  const open = async (actor: Actor) =>
    (await actor.ask(`POST ${estate.slug}/policies`, { join_by_domain: 'yes' })).status;
  expect(await open(await enterWith('policies:manage', 'members:invite'))).toBe(422);
  expect(await db()('organizations').where({ id: estate.id }).pluck('join_by_domain')).toEqual([
    false,
  ]);
  expect(await open(await enterWith('policies:manage', 'members:invite', 'members:read'))).toBe(
    303,
  );
  await setOpen(false);
});

test('security 22: nor proves a domain of theirs by which people join then', async () => {
  const [id, token, name] = [randomUUID(), randomUUID(), 'evil.example'];
  await db()('domains').insert({ id, organization_id: estate.id, name, token });
  dns.zone.set(`_plinto-challenge.${name}`, { txt: [`plinto-verification=${token}`] });
  const verify = async (actor: Actor) =>
    (await actor.ask(`POST ${estate.slug}/domains/verify`, { domain: id })).status;
  const keeper = await enterWith('domains:manage');
  await setOpen(true);
  expect(await verify(keeper)).toBe(422);
  expect(await db()('domains').where({ id }).pluck('verified_at')).toEqual([null]);
  await setOpen(false);
  expect(await verify(keeper)).toBe(303);
});
