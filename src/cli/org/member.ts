import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import type { Refusal } from '../../organizations/members/actor.ts';
import { type AddResult, addMember } from '../../organizations/members/add-member.ts';
import { changeRoles } from '../../organizations/members/change-roles.ts';
import { findMembers } from '../../organizations/members/list-members-sql.ts';
import { removeMember } from '../../organizations/members/remove-member.ts';
import { activateMember, suspendMember } from '../../organizations/members/set-member-status.ts';
import { findMember, type Member } from '../../organizations/members/store.ts';
import { findRoleByKey } from '../../organizations/roles/store.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import {
  checkAfterId,
  collect,
  listAnswer,
  type Page,
  pageOf,
  pagingOptions,
} from '../terminal/paging.ts';
import { getUser, nameOf, WHO } from '../user/named-user.ts';
import { ownerTools } from './delete.ts';
import { getActiveOrganization, getOrganization, ORGANIZATION } from './named-organization.ts';

/** `plinto org member …`: as the installation, which may give and take any role. */
export function memberCommands(group: Command): void {
  pagingOptions(group.command('list'))
    .description('list members in order of name')
    .argument('<organization>', ORGANIZATION)
    .option('--search <text>', 'only those whose name or address begins so')
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  const command = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .argument('<organization>', ORGANIZATION)
      .argument('<user>', WHO)
      .option('--json', 'print JSON');
  command('add', 'make a user a member')
    .option('--role <key>', 'may be repeated; member unless given', collect)
    .action(onDatabase(add));
  command('set-roles', 'give a member these roles in place of those they have')
    .requiredOption('--role <key>', 'may be repeated', collect)
    .action(onDatabase(setRoles));
  command('suspend', 'keep a member out, who keeps their roles').action(onDatabase(suspend));
  command('activate', 'let a suspended member in again').action(onDatabase(activate));
  command('remove', 'end a membership, and what apps may do in it').action(onDatabase(remove));
}

async function list(
  { db }: Session,
  name: string,
  options: Page & { search?: string },
): Promise<Answer> {
  const { id: organizationId } = await getOrganization(db, name);
  const { search } = options;
  checkAfterId(options);
  const find = (page: Page) => findMembers(db, { organizationId, search, ...page });
  const page = await pageOf(options, find, (member) => member.user_id);
  const columns = ['id', 'email', 'username', 'name', 'status', 'roles', 'source'];
  return listAnswer({ ...page, items: page.items.map(describe) }, columns, 'Nobody is a member.');
}

type Roles = { role?: string[] };

async function add(session: Session, name: string, who: string, options: Roles): Promise<Answer> {
  const { db, origin } = session;
  const { id: organizationId, slug } = await getActiveOrganization(db, name);
  const user = await getUser(db, who);
  const roleIds = await roleIdsOf(db, organizationId, options.role ?? ['member']);
  const whose = { organizationId, userId: user.id };
  const result = await transaction(db, (trx) =>
    addMember(trx, origin, { ...whose, roleIds, source: 'added', actor: 'installation' }),
  );
  if (!result.ok) throw new Error(explain(result.reason, nameOf(user), slug));
  return answer(db, whose, `${nameOf(user)} is a member of ${slug} now.`);
}

async function setRoles(
  { db, origin }: Session,
  name: string,
  who: string,
  options: Roles,
): Promise<Answer> {
  const { id: organizationId, slug } = await getActiveOrganization(db, name);
  const user = await getUser(db, who);
  const roleIds = await roleIdsOf(db, organizationId, options.role ?? []);
  const whose = { organizationId, userId: user.id };
  const result = await transaction(db, (trx) =>
    changeRoles(trx, origin, { ...whose, roleIds, actor: 'installation' }),
  );
  if (!result.ok) throw new Error(explain(result.reason, nameOf(user), slug));
  const keys = (options.role ?? []).join(' ');
  return answer(db, whose, `${nameOf(user)} has these roles in ${slug}: ${keys}`);
}

async function suspend(session: Session, name: string, who: string): Promise<Answer> {
  return setStatus(session, name, who, suspendMember, 'is kept out of');
}

async function activate(session: Session, name: string, who: string): Promise<Answer> {
  return setStatus(session, name, who, activateMember, 'is let in to');
}

async function setStatus(
  { db, origin }: Session,
  name: string,
  who: string,
  change: typeof suspendMember,
  done: string,
): Promise<Answer> {
  const { id: organizationId, slug } = await getActiveOrganization(db, name);
  const user = await getUser(db, who);
  const whose = { organizationId, userId: user.id };
  const result = await transaction(db, (trx) =>
    change(trx, origin, { ...whose, actor: 'installation' }),
  );
  if (!result.ok) throw new Error(explain(result.reason, nameOf(user), slug));
  return answer(db, whose, `${nameOf(user)} ${done} ${slug}.`);
}

async function remove(session: Session, name: string, who: string): Promise<Answer> {
  const { db, origin } = session;
  const { id: organizationId, slug } = await getActiveOrganization(db, name);
  const user = await getUser(db, who);
  const change = { organizationId, userId: user.id, actor: 'installation' } as const;
  const result = await transaction(db, (trx) =>
    removeMember(trx, ownerTools(session), origin, change),
  );
  if (!result.ok) throw new Error(explain(result.reason, nameOf(user), slug));
  return {
    value: { id: user.id, organization: organizationId, removed: true },
    lines: [`${nameOf(user)} is no longer a member of ${slug}.`],
  };
}

/** Ids of the roles with these keys. @throws Error that names the first there isn't. */
export async function roleIdsOf(
  db: Db,
  organizationId: string,
  keys: readonly string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const key of keys) {
    const role = await findRoleByKey(db, organizationId, key);
    if (role === undefined) {
      throw new Error(
        `the organization has no role ${key}: \`plinto role list --organization\` shows which it has`,
      );
    }
    ids.push(role.id);
  }
  return ids;
}

async function answer(
  db: Db,
  { organizationId, userId }: { organizationId: string; userId: string },
  line: string,
): Promise<Answer> {
  const member = await findMember(db, organizationId, userId);
  return { value: member && describe(member), lines: [line] };
}

function describe(member: Member) {
  return {
    id: member.user_id,
    email: member.email,
    username: member.username,
    name: member.name,
    status: member.status,
    roles: member.roles.map(({ key }) => key),
    source: member.source,
    joined_at: member.joined_at,
  };
}

function explain(
  reason: Refusal | Extract<AddResult, { ok: false }>['reason'],
  who: string,
  slug: string,
): string {
  switch (reason) {
    case 'not_member':
      return `${who} is no member of ${slug}: \`plinto org member list\` shows who is`;
    case 'already_member':
      return `${who} is a member of ${slug} already: \`plinto org member set-roles\` changes their roles`;
    case 'user_unknown':
      return `${who} isn't active: \`plinto user activate\` them first`;
    case 'last_owner':
      return `${who} is the last owner of ${slug}: \`plinto org transfer\` it first, or delete it`;
    case 'role_unknown':
      return `a role of ${slug} was deleted just now: try again`;
    case 'member_holds_more':
    case 'role_not_held':
      return `${who} can't be changed`;
  }
}
