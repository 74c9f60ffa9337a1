import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import type { Trx } from '../../src/deps.ts';
import { BUILTIN_ROLES, type Held } from '../../src/organizations/permissions.ts';
import { createRole, MAX_OWN_ROLES } from '../../src/organizations/roles/create-role.ts';
import { deleteRole } from '../../src/organizations/roles/delete-role.ts';
import type { RoleActor, RoleWish } from '../../src/organizations/roles/read-role.ts';
import { findRole, listRoles, type Role } from '../../src/organizations/roles/store.ts';
import { updateRole } from '../../src/organizations/roles/update-role.ts';
import { findOrganizationFor, lockOrganizationFor } from '../../src/organizations/store.ts';
import { createApi } from '../support/api.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { newOrganization, newUser } from './organizations-app.ts';

const API = 'https://invoices.example';
const ALONE = 'https://alone.example';

let app: TestApp;
let acme: string;
let rival: string;
let ownerId: string;
let count = 0;

beforeAll(async () => {
  app = await startApp();
  ownerId = (await newUser(app)).user.id;
  acme = (await newOrganization(app, ownerId)).id;
  rival = (await newOrganization(app, ownerId)).id;
  await createApi(app, API, ['read', 'write']);
  await createApi(app, ALONE, ['read'], { organizations: 'none' });
});
afterAll(() => app.stop());

const run = <T>(work: (trx: Trx) => Promise<T>) => transaction(app.runtime.deps.db, work);
/** Nothing of it stays. */
const tried = async <T>(work: (trx: Trx) => Promise<T>): Promise<T> => {
  const trx = await app.runtime.deps.db.transaction();
  try {
    return await work(trx);
  } finally {
    await trx.rollback();
  }
};
const wish = (more: Partial<RoleWish> = {}): RoleWish => ({
  ...{ name: 'Some role', description: '', permissions: [], api: {} },
  ...more,
});
function make(
  trx: Trx,
  organizationId: string | null,
  more: Partial<RoleWish> & { key?: string } = {},
  actor: RoleActor = 'installation',
) {
  count += 1;
  const wanted = { key: `role-${count}`, ...wish(more), ...more, organizationId };
  return createRole(trx, SYSTEM, actor, wanted);
}
async function made(trx: Trx, organizationId: string | null, more: Partial<RoleWish> = {}) {
  const result = await make(trx, organizationId, more);
  if (!result.ok) throw new Error(result.reason);
  return result.role;
}
const said = (result: { ok: boolean; reason?: string }) => (result.ok ? 'ok' : result.reason);

const held = (own: string[], permissions: Held['permissions'] = {}): Held => ({
  ...{ owner: false, own, permissions },
});
const ACTORS: Record<string, RoleActor> = {
  installation: 'installation',
  owner: { ...held([]), owner: true },
  clerk: held(['roles:manage', 'members:read'], { [API]: ['read'] }),
  bare: held(['roles:manage']),
};
const CONTENTS: Record<string, Partial<RoleWish>> = {
  nothing: {},
  members: { permissions: ['members:read'] },
  deletion: { permissions: ['organization:delete'] },
  both: { permissions: ['members:read', 'organization:delete'] },
  reads: { api: { [API]: ['read'] } },
  writes: { api: { [API]: ['read', 'write'] } },
};
const MAY: Record<string, string[]> = {
  installation: Object.keys(CONTENTS),
  owner: Object.keys(CONTENTS),
  clerk: ['nothing', 'members', 'reads'],
  bare: ['nothing'],
};

describe('nobody gives, takes away or deletes what they lack', () => {
  const rows = Object.keys(ACTORS).flatMap((actor) =>
    Object.keys(CONTENTS).map((content) => ({
      ...{ actor, content, may: MAY[actor]?.includes(content) === true },
    })),
  );
  test.each(rows)('$actor, a role of $content: $may', async ({ actor, content, may }) => {
    const who = ACTORS[actor] as RoleActor;
    const gives = CONTENTS[content] ?? {};
    const outcomes = await tried(async (trx) => {
      const full = await made(trx, acme, gives);
      const empty = await made(trx, acme);
      const change = (role: Role, next: Partial<RoleWish>) =>
        updateRole(trx, SYSTEM, who, { organizationId: acme, id: role.id }, () => next);
      return {
        created: said(await make(trx, acme, gives, who)),
        added: said(await change(empty, gives)),
        renamed: said(await change(full, { name: 'Other' })),
        emptied: said(await change(full, { permissions: [], api: {} })),
        // It gives nothing any more, unless nobody could empty it.
        deleted: said(await deleteRole(trx, SYSTEM, who, { organizationId: acme, id: full.id })),
      };
    });
    const [lacks, exceeds] = may ? ['ok', 'ok'] : ['not_held', 'exceeds'];
    expect(outcomes).toEqual({
      ...{ created: lacks, added: lacks, renamed: exceeds, emptied: exceeds, deleted: exceeds },
    });
  });
});

describe('roles that are not an organization’s own', () => {
  const actors = Object.keys(ACTORS);
  test.each(actors)('are neither changed nor deleted by %s in an organization', async (actor) => {
    const who = ACTORS[actor] as RoleActor;
    await tried(async (trx) => {
      const shared = await made(trx, null);
      const others = await made(trx, rival);
      const ids = [...Object.values(BUILTIN_ROLES), shared.id, others.id];
      for (const id of ids) {
        const which = { organizationId: acme, id };
        const expected = id === others.id ? 'role_unknown' : 'fixed';
        const change = updateRole(trx, SYSTEM, who, which, () => ({ name: 'Mine' }));
        expect(said(await change)).toBe(expected);
        expect(said(await deleteRole(trx, SYSTEM, who, which))).toBe(expected);
      }
    });
  });

  test.each<[keyof typeof BUILTIN_ROLES, Partial<RoleWish>, string]>([
    ['member', { api: { [API]: ['read'] } }, 'ok'],
    ['admin', { api: { [API]: ['read', 'write'] } }, 'ok'],
    ['owner', { api: { [API]: ['read'] } }, 'fixed'],
    ['member', { permissions: ['roles:manage'] }, 'fixed'],
    ['member', { name: 'Colleague' }, 'fixed'],
    ['admin', { permissions: [] }, 'fixed'],
    ['owner', { name: 'Boss' }, 'fixed'],
  ])('built in %s, %j by the installation: %s', async (key, change, expected) => {
    await tried(async (trx) => {
      const which = { organizationId: null, id: BUILTIN_ROLES[key] };
      const before = await findRole(trx, null, which.id);
      const result = await updateRole(trx, SYSTEM, 'installation', which, () => change);
      expect(said(result)).toBe(expected);
      const next = expected === 'ok' ? { ...before, ...change } : before;
      expect(await findRole(trx, null, which.id)).toEqual(next);
      expect(said(await deleteRole(trx, SYSTEM, 'installation', which))).toBe('fixed');
    });
  });

  test('an owner holds what roles don’t say; a role gives what it says, at once', async () => {
    const { user } = await newUser(app);
    const context = async (id: string) =>
      (await findOrganizationFor(app.runtime.deps.db, acme, id))?.context;
    const role = await run(async (trx) => {
      const given = await made(trx, acme, { ...CONTENTS.reads, permissions: ['activity:read'] });
      await trx('memberships').insert({
        ...{ organization_id: acme, user_id: user.id, source: 'added' },
      });
      await trx('membership_roles').insert({
        ...{ organization_id: acme, user_id: user.id, role_id: given.id, role_scope: acme },
      });
      return given;
    });
    expect(await context(user.id)).toMatchObject({
      ...{ own: ['activity:read'], permissions: { [API]: ['read'] }, roles: [role.key] },
    });
    expect((await context(ownerId))?.permissions).toEqual({ [API]: ['read', 'write'] });
    const which = { organizationId: acme, id: role.id };
    const less = () => ({ permissions: [], api: { [API]: ['write'] } });
    await run((trx) => updateRole(trx, SYSTEM, 'installation', which, less));
    expect(await context(user.id)).toMatchObject({ own: [], permissions: { [API]: ['write'] } });
    const gone = await run((trx) => deleteRole(trx, SYSTEM, 'installation', which));
    expect(gone).toMatchObject({ ok: true, use: { members: 1, invitations: 0 } });
    expect(await context(user.id)).toMatchObject({ roles: [], permissions: {} });
  });
});

describe('a role is refused', () => {
  test.each<[string, Partial<RoleWish> & { key?: string }, string]>([
    ['without a name', { name: ' \n\t ' }, 'name_missing'],
    ['of a long name', { name: 'x'.repeat(61) }, 'name_missing'],
    ['of a long description', { description: 'x'.repeat(201) }, 'description_long'],
    ['with a key in capitals', { key: 'Support' }, 'key_invalid'],
    ['with a key that begins with a digit', { key: '1st' }, 'key_invalid'],
    ['with a long key', { key: `a${'b'.repeat(63)}` }, 'key_invalid'],
    ['of a name no key can be made of', { key: '', name: '経理' }, 'key_invalid'],
    ['that is called owner', { key: 'owner' }, 'key_taken'],
    ['whose name makes a key that is taken', { key: '', name: 'Admin' }, 'key_taken'],
    ['of an unknown permission', { permissions: ['everything'] }, 'permission_unknown'],
    ['of a name on every object', { permissions: ['constructor'] }, 'permission_unknown'],
    ['of an unknown API', { api: { 'https://x.example': ['read'] } }, 'permission_unknown'],
    [
      'of an API called __proto__',
      { api: JSON.parse('{"__proto__":["x"]}') },
      'permission_unknown',
    ],
    ['of another API’s scope', { api: { [API]: ['constructor'] } }, 'permission_unknown'],
    ['of an API without organizations', { api: { [ALONE]: ['read'] } }, 'permission_unknown'],
  ])('%s', async (_, more, reason) => {
    for (const actor of ['installation', held([]), ACTORS.owner] as RoleActor[]) {
      expect(said(await tried((trx) => make(trx, acme, more, actor)))).toBe(reason);
    }
  });

  test('beyond fifty of an organization’s own, while others may have more', async () => {
    await tried(async (trx) => {
      const { length } = (await listRoles(trx, rival)).filter((one) => one.organization_id);
      for (let i = length; i < MAX_OWN_ROLES; i += 1) await made(trx, rival);
      expect(said(await make(trx, rival))).toBe('too_many');
      expect(said(await make(trx, acme))).toBe('ok');
      expect(said(await make(trx, null))).toBe('ok');
    });
  });
});

describe('a key', () => {
  test('is an organization’s own, another’s as well, and never also one of all', async () => {
    await tried(async (trx) => {
      const make3 = (whose: string | null) => make(trx, whose, { key: 'support' });
      expect(said(await make3(acme))).toBe('ok');
      expect(said(await make3(acme))).toBe('key_taken');
      expect(said(await make3(rival))).toBe('ok');
      expect(said(await make3(null))).toBe('key_taken');
      expect(said(await make(trx, null, { key: 'shared' }))).toBe('ok');
      expect(said(await make(trx, acme, { key: 'shared' }))).toBe('key_taken');
    });
  });

  test('is had by one of many that race for it, in organizations and in all', async () => {
    const racing = async (key: string, whose: (string | null)[]) => {
      const results = await Promise.all(
        whose.map((organizationId) =>
          run(async (trx) => {
            if (organizationId) await lockOrganizationFor(trx, organizationId, undefined);
            return make(trx, organizationId, { key });
          }),
        ),
      );
      return results.map(said).sort();
    };
    const { db } = app.runtime.deps;
    for (const round of [1, 2, 3]) {
      const key = `raced-${round}`;
      const outcomes = await racing(key, [acme, null, rival, null]);
      const scopes = await db('roles').where({ key }).pluck('organization_id');
      const shared = scopes.includes(null);
      expect(scopes.length).toBe(outcomes.filter((one) => one === 'ok').length);
      expect(shared ? scopes : scopes.toSorted()).toEqual(shared ? [null] : [acme, rival].sort());
      expect(await racing(`own-${round}`, [acme, acme, acme])).toEqual([
        ...['key_taken', 'key_taken', 'ok'],
      ]);
    }
  });

  test('stays, whatever else changes, and each change is recorded', async () => {
    const { db } = app.runtime.deps;
    const role = await run((trx) => made(trx, acme, { name: 'Support', ...CONTENTS.both }));
    const which = { organizationId: acme, id: role.id };
    const change = (next: Partial<RoleWish>) =>
      run((trx) => updateRole(trx, SYSTEM, 'installation', which, () => next));
    await change({
      name: ' Help \n desk ',
      permissions: ['members:read'],
      api: { [API]: ['read'] },
    });
    expect(await change({ name: 'Help desk' })).toMatchObject({ changed: false });
    expect(await findRole(db, acme, role.id)).toMatchObject({
      ...{
        key: role.key,
        name: 'Help desk',
        permissions: ['members:read'],
        api: { [API]: ['read'] },
      },
    });
    await run((trx) => deleteRole(trx, SYSTEM, 'installation', which));
    const events = await db('audit_events')
      .whereRaw(`data->>'key' = ?`, [role.key])
      .orderBy('position')
      .select('type', 'organization_id', 'data');
    const recorded = (type: string, data: object) => ({
      ...{ type, organization_id: acme, data: { key: role.key, ...data } },
    });
    expect(events).toEqual([
      recorded('role.created', { permissions: ['organization:delete', 'members:read'] }),
      recorded('role.updated', {
        fields: ['name', 'permissions'],
        added: [`${API} read`],
        removed: ['organization:delete'],
      }),
      recorded('role.deleted', { members: 0, invitations: 0 }),
    ]);
  });

  test('a role keeps what an API gave it while that is without organizations', async () => {
    const { db } = app.runtime.deps;
    const role = await run((trx) => made(trx, acme, CONTENTS.writes));
    const which = { organizationId: acme, id: role.id };
    const api = async () => (await findRole(db, acme, role.id))?.api;
    await db('resources').where({ indicator: API }).update({ organizations: 'none' });
    expect(await api()).toEqual({});
    await run((trx) => updateRole(trx, SYSTEM, 'installation', which, () => ({ name: 'Quiet' })));
    await db('resources').where({ indicator: API }).update({ organizations: 'required' });
    expect(await api()).toEqual({ [API]: ['read', 'write'] });
  });
});
