import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signInAgo } from '../account/account.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { alertText, findForm, type Page, pageName } from '../support/visitor.ts';
import {
  eventsOf,
  join,
  newOrganization,
  newPerson,
  newUser,
  type Person,
  rolesOf,
  sendAtOnce,
} from './organizations-app.ts';

let app: TestApp;
let ports: number[];

beforeAll(async () => {
  app = await startApp({ ORGANIZATION_CREATION: 'everyone' });
  ports = [app.config.port, (await app.startReplica()).port];
});
afterAll(() => app.stop());

const db = () => app.runtime.deps.db;
const at = (path: string) => `${app.issuer}/account/organizations${path}`;
const find = (id: string) => db()('organizations').where({ id }).first();
const slugsOf = async ({ user }: Pick<Person, 'user'>) =>
  db()('organizations as o')
    .join('memberships as m', 'm.organization_id', 'o.id')
    .where({ user_id: user.id })
    .orderBy('o.slug')
    .pluck('o.slug');

describe('the list of organizations', () => {
  test('says what to do without any, and leads to each of them and to a new one', async () => {
    const person = await newPerson(app);
    expect(person.page.html).toContain('don’t belong to an organization yet');
    const { slug, id } = await newOrganization(app, person.user.id);
    const other = await newOrganization(app, (await newUser(app)).user.id);
    const page = await person.visitor.open(at(''));
    expect(page.html).toContain(`href="/account/organizations/${slug}"`);
    expect(page.html).toContain('Owner');
    expect(page.html).toContain('href="/account/organizations/new"');
    expect(page.html).not.toContain(other.name);
    for (const name of [slug, id]) {
      expect(pageName(await person.visitor.open(at(`/${name}`)))).toBe('organization');
    }
    for (const name of [other.slug, other.id, 'nobodys', 'a%00b']) {
      expect((await person.visitor.open(at(`/${name}`))).status).toBeGreaterThanOrEqual(400);
    }
    expect((await person.visitor.open(at(`/${other.slug}`))).status).toBe(404);
  });
});

describe('a new organization', () => {
  const open = async (person: Person) => person.visitor.open(at('/new'));

  test('is its maker’s, with a short name of its name', async () => {
    const person = await newPerson(app);
    const typed = { name: '  Ünïted  Öfen &\tSons ' };
    const page = await person.visitor.submit(await open(person), '/new', typed);
    expect(page.url).toBe(at('/united-ofen-sons?done=organization_created'));
    expect(page.html).toContain('You are its owner');
    const made = await db()('organizations').where({ slug: 'united-ofen-sons' }).first();
    expect(made).toMatchObject({ name: 'Ünïted Öfen & Sons', metadata: {}, delete_after: null });
    expect(await rolesOf(app, made.id)).toEqual({ [person.user.id]: ['owner'] });
    expect(await eventsOf(app, made.id)).toEqual(['organization.created']);
  });

  test('is made once by ten of the same form over two replicas, which lead to the same place', async () => {
    const person = await newPerson(app);
    const page = await open(person);
    const answers = await sendAtOnce(
      person.visitor,
      page,
      '/new',
      { name: 'Ten Times' },
      { ports },
    );
    const onward = '303 /account/organizations/ten-times?done=organization_created';
    expect(new Set(answers)).toEqual(new Set([onward]));
    // The form as the back button shows it, with another name.
    const again = await person.visitor.submit(page, '/new', { name: 'Eleven', slug: 'eleven' });
    expect(again.url).toBe(at('/ten-times?done=organization_created'));
    expect(await slugsOf(person)).toEqual(['ten-times']);
    const { id } = await db()('organizations').where({ slug: 'ten-times' }).first();
    expect(await eventsOf(app, id)).toEqual(['organization.created']);
  });

  test.each<{ name: string; slug?: string; says: RegExp }>([
    { name: '', says: /Enter a name/ },
    { name: ' \t ', slug: 'spaces', says: /Enter a name/ },
    { name: 'x'.repeat(101), slug: 'long', says: /at most 100/ },
    { name: '日本', says: /No short name can be made/ },
    { name: 'New', says: /can’t be a short name/ },
    { name: 'Fine', slug: 'has space', says: /can’t be a short name/ },
    { name: 'Fine', slug: '-dash', says: /can’t be a short name/ },
    { name: 'Fine', slug: 'a'.repeat(64), says: /can’t be a short name/ },
    { name: 'Fine', slug: '018f4e7a-1111-7222-8333-444444444444', says: /can’t be/ },
    { name: 'Fine', slug: 'taken', says: /^That short name is taken. Choose another.$/ },
  ])('is refused for $name / $slug: $says', async ({ name, slug = '', says }) => {
    refused ??= await newPerson(app);
    if ((await db()('organizations').where({ slug: 'taken' }).first()) === undefined) {
      const { user } = await newUser(app);
      await db()('organizations')
        .where({ id: (await newOrganization(app, user.id)).id })
        .update({ slug: 'taken' });
    }
    const page = await refused.visitor.submit(await open(refused), '/new', { name, slug });
    expect([page.status, alertText(page)]).toEqual([422, expect.stringMatching(says)]);
    expect(await slugsOf(refused)).toEqual([]);
  });
  let refused: Person | undefined;

  test('is one of ten an hour, also where many are asked for at once', async () => {
    const person = await newPerson(app);
    const pages = await Promise.all(Array.from({ length: 12 }, () => open(person)));
    const answers = await Promise.all(
      pages.map(async (page, i) => {
        const name = `Many ${i}`;
        return (await sendAtOnce(person.visitor, page, '/new', { name }, { times: 1 }))[0];
      }),
    );
    expect(answers.filter((answer) => answer?.startsWith('303'))).toHaveLength(10);
    expect(answers.filter((answer) => answer?.startsWith('422'))).toHaveLength(2);
    const page = await person.visitor.submit(await open(person), '/new', { name: 'One more' });
    expect(alertText(page)).toMatch(/another in (60|59|58) minutes/);
    // The log knows of those that are gone, too.
    await db()('organizations').where('slug', 'like', 'many-%').delete();
    const more = await person.visitor.submit(await open(person), '/new', { name: 'One more' });
    expect(more.status).toBe(422);
  });

  test('can’t be one that another’s form names, or take their organization', async () => {
    const [person, thief] = [await newPerson(app), await newPerson(app)];
    const { id } = await newOrganization(app, person.user.id);
    const page = await open(thief);
    const others = findForm(await open(person), '/new').hidden;
    for (const hidden of [
      { organization: id },
      { organization: others.organization },
      { proof: others.proof },
      { organization: 'x' },
    ]) {
      const typed = { name: 'Stolen', ...(hidden as Record<string, string>) };
      expect((await thief.visitor.submit(page, '/new', typed)).status).toBe(403);
    }
    expect(await slugsOf(thief)).toEqual([]);
  });
});

describe('what an organization is called', () => {
  test('changes for whoever may; the short name before is nobody’s then', async () => {
    const owner = await newPerson(app);
    const { id, slug } = await newOrganization(app, owner.user.id);
    const page = await owner.visitor.open(at(`/${slug}`));
    const typed = { name: 'Renamed <b>', slug: ' Renamed-Ltd ' };
    const answers = await sendAtOnce(owner.visitor, page, `/${id}`, typed, { ports });
    const onward = '303 /account/organizations/renamed-ltd?done=organization';
    expect(new Set(answers)).toEqual(new Set([onward]));
    expect(await find(id)).toMatchObject({ name: 'Renamed <b>', slug: 'renamed-ltd' });
    expect(await eventsOf(app, id)).toEqual(['organization.created', 'organization.updated']);
    expect((await owner.visitor.open(at(`/${slug}`))).status).toBe(404);
    expect((await owner.visitor.open(at('/renamed-ltd'))).html).toContain('Renamed &lt;b&gt;');
  });

  test.each([
    ['member', 403],
    ['stranger', 404],
  ] as const)('stays when a %s sends the form', async (kind, status) => {
    const owner = await newPerson(app);
    const { id, slug, name } = await newOrganization(app, owner.user.id);
    const other = await newPerson(app);
    if (kind === 'member') {
      await join(app, id, other.user, 'member');
      const page = await other.visitor.open(at(`/${slug}`));
      expect(page.html).toContain(id);
      expect(() => findForm(page, `/${id}`)).toThrow('no form');
      expect(page.html).not.toContain('/transfer"');
      expect(page.html).not.toContain('/delete"');
    }
    const own = await newOrganization(app, other.user.id);
    const { hidden } = findForm(await other.visitor.open(at(`/${own.slug}`)), `/${own.id}`);
    const body = new URLSearchParams({ ...hidden, name: 'Taken over', slug: 'taken-over' });
    const answer = await other.visitor.request(at(`/${id}`), { method: 'POST', body });
    expect(answer.status).toBe(status);
    expect(await find(id)).toMatchObject({ name, slug });
  });

  test('is refused where it is another’s or nothing, and keeps what was typed', async () => {
    const owner = await newPerson(app);
    const { id, slug, name } = await newOrganization(app, owner.user.id);
    const other = await newOrganization(app, owner.user.id);
    const page = await owner.visitor.open(at(`/${slug}`));
    const tries: [Record<string, string>, RegExp][] = [
      [{ name: 'Typed', slug: other.slug }, /taken/],
      [{ name: ' ', slug }, /Enter a name/],
      [{ name, slug: 'new' }, /can’t be a short name/],
      [{ name, slug, metadata: '{"plan":"gold"}' }, /“metadata” can’t be changed/],
    ];
    for (const [typed, says] of tries) {
      const shown = await owner.visitor.submit(page, `/${id}`, typed);
      expect([shown.status, alertText(shown)]).toEqual([422, expect.stringMatching(says)]);
      if (typed.name === 'Typed') expect(shown.html).toContain('value="Typed"');
    }
    expect(await find(id)).toMatchObject({ name, slug, metadata: {} });
    // Two that want the same one at once: one gets it.
    const answers = await Promise.all(
      [slug, other.slug].map(async (one, i) => {
        const form = await owner.visitor.open(at(`/${one}`));
        const organizationId = i === 0 ? id : other.id;
        return (
          await sendAtOnce(
            owner.visitor,
            form,
            `/${organizationId}`,
            { name, slug: 'wanted' },
            { times: 1 },
          )
        )[0];
      }),
    );
    expect(answers.map((answer) => answer?.slice(0, 3)).toSorted()).toEqual(['303', '422']);
  });
});

describe('leaving', () => {
  test('ends a membership, sent ten times too; the last owner stays', async () => {
    const [owner, member] = [await newPerson(app), await newPerson(app)];
    const { id, slug } = await newOrganization(app, owner.user.id);
    await join(app, id, member.user, 'admin');
    const page = await member.visitor.open(at(`/${slug}`));
    const answers = await sendAtOnce(member.visitor, page, `/${id}/leave`, {}, { ports });
    const onward = '303 /account/organizations?done=organization_left';
    expect(new Set(answers)).toEqual(new Set([onward]));
    expect((await member.visitor.open(at(`/${slug}`))).status).toBe(404);
    expect(await eventsOf(app, id)).toEqual(['organization.created', 'member.left']);

    const own = await owner.visitor.open(at(`/${slug}`));
    expect(own.html).toContain('You are the only owner');
    expect(() => findForm(own, '/leave')).toThrow('no form');
    const { hidden } = findForm(own, `/${id}`);
    const body = new URLSearchParams({ csrf: String(hidden.csrf) });
    const refused = await owner.visitor.request(at(`/${id}/leave`), { method: 'POST', body });
    expect([refused.status, await refused.text()]).toEqual([
      422,
      expect.stringContaining('Hand the organization over'),
    ]);
    expect(await rolesOf(app, id)).toEqual({ [owner.user.id]: ['owner'] });
  });

  test('of two owners at once over two replicas, one stays', async () => {
    const [one, two] = [await newPerson(app), await newPerson(app)];
    const { id, slug } = await newOrganization(app, one.user.id);
    await join(app, id, two.user, 'owner');
    const pages = await Promise.all([one, two].map(({ visitor }) => visitor.open(at(`/${slug}`))));
    const answers = await Promise.all(
      [one, two].map(({ visitor }, i) =>
        sendAtOnce(
          visitor,
          pages[i] as Page,
          `/${id}/leave`,
          {},
          { times: 3, ports: [ports[i] as number] },
        ),
      ),
    );
    const statuses = answers.map((sent) => new Set(sent.map((answer) => answer.slice(0, 3))));
    expect(statuses.toSorted((a, b) => ([...a] < [...b] ? -1 : 1))).toEqual([
      new Set(['303']),
      new Set(['422']),
    ]);
    expect(Object.values(await rolesOf(app, id))).toEqual([['owner']]);
  });

  test('isn’t for who was removed and never saw the form', async () => {
    const [owner, other] = [await newPerson(app), await newPerson(app)];
    const { id } = await newOrganization(app, owner.user.id);
    const own = await newOrganization(app, other.user.id);
    const page = await other.visitor.open(at(`/${own.slug}`));
    const { hidden } = findForm(page, `/${own.id}`);
    const body = new URLSearchParams({ csrf: String(hidden.csrf), proof: 'x' });
    const answer = await other.visitor.request(at(`/${id}/leave`), { method: 'POST', body });
    expect(answer.status).toBe(404);
  });
});

describe('handing over', () => {
  test('makes the other the owner and oneself an admin, once', async () => {
    const [owner, member] = [await newPerson(app), await newUser(app)];
    const stranger = await newUser(app);
    const { id, slug } = await newOrganization(app, owner.user.id);
    await join(app, id, member.user, 'member');
    const page = await owner.visitor.open(at(`/${slug}/transfer`));
    expect(pageName(page)).toBe('organization-transfer');
    const tries: [Record<string, string>, RegExp][] = [
      [{ member: member.email, confirmation: 'something' }, /isn’t the short name/],
      [{ member: 'nobody@example.com', confirmation: slug }, /No active member/],
      [{ member: stranger.email, confirmation: slug }, /No active member/],
      [{ member: owner.email, confirmation: slug }, /That is you/],
      [{ member: member.email, confirmation: slug, roles: 'owner' }, /“roles” can’t be changed/],
    ];
    for (const [typed, says] of tries) {
      const shown = await owner.visitor.submit(page, '/transfer', typed);
      expect([shown.status, alertText(shown)]).toEqual([422, expect.stringMatching(says)]);
    }
    expect(await eventsOf(app, id)).toEqual(['organization.created']);
    const typed = { member: ` ${member.email.toUpperCase()} `, confirmation: slug };
    const answers = await sendAtOnce(owner.visitor, page, '/transfer', typed, { ports });
    const onward = '303 /account/organizations?done=organization_transferred';
    expect(new Set(answers)).toEqual(new Set([onward]));
    expect(await rolesOf(app, id)).toEqual({
      [owner.user.id]: ['admin'],
      [member.user.id]: ['member', 'owner'],
    });
    expect(await eventsOf(app, id)).toEqual([
      'organization.created',
      'organization.owner_transferred',
    ]);
    // As an admin they no longer can, and the form of before does nothing to anybody.
    expect((await owner.visitor.open(at(`/${slug}/transfer`))).status).toBe(403);
    await join(app, id, stranger.user, 'member');
    const late = { member: stranger.email, confirmation: slug };
    expect((await owner.visitor.submit(page, '/transfer', late)).status).toBe(403);
  });

  test.each(['/transfer', '/delete'])(
    '%s needs a sign-in that is fresh, and who may',
    async (path) => {
      const [owner, admin] = [await newPerson(app), await newPerson(app)];
      const { id, slug } = await newOrganization(app, owner.user.id);
      await join(app, id, admin.user, 'admin');
      expect((await admin.visitor.open(at(`/${slug}${path}`))).status).toBe(403);
      await signInAgo(app, owner.user.id, 700);
      expect(pageName(await owner.visitor.open(at(`/${slug}${path}`)))).toBe('password');
    },
  );
});
