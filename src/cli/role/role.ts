import { type Command, InvalidArgumentError, Option } from 'commander';
import { transaction } from '../../db/pool.ts';
import { OWN_PERMISSIONS, type OwnPermission } from '../../organizations/permissions.ts';
import { createRole } from '../../organizations/roles/create-role.ts';
import { deleteRole } from '../../organizations/roles/delete-role.ts';
import { countRoleUse, listRoles, type Role } from '../../organizations/roles/store.ts';
import { updateRole } from '../../organizations/roles/update-role.ts';
import { ORGANIZATION } from '../org/named-organization.ts';
import { onDatabase, type Session } from '../session.ts';
import { confirmByName } from '../terminal/confirm.ts';
import type { Answer } from '../terminal/output.ts';
import { collect, listAnswer } from '../terminal/paging.ts';
import { details } from '../terminal/table.ts';
import { grantCommands } from './grant.ts';
import { describeRole, getRole, hold, refusal, type Whose, whose } from './named-role.ts';

/** `plinto role …`: what members of organizations may do, in all organizations or in one. */
export function roleCommands(group: Command): void {
  const command = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .option('--organization <organization>', `${ORGANIZATION}; otherwise roles of all of them`)
      .option('--json', 'print JSON');
  command('create', 'make a role of all organizations, or of one')
    .requiredOption('--name <name>', 'name that people are shown')
    .option('--key <key>', 'what apps are told; made of the name unless given')
    .option('--description <words>', 'what it is for')
    .addOption(ownPermission())
    .option(
      '--grant <api=permissions>',
      'permissions of an API, such as https://api.example.com=read,write; may be repeated',
      grants,
    )
    .action(onDatabase(create));
  command('list', 'list the roles that there are').action(onDatabase(list));
  command('show', 'show a role, and how many have it')
    .argument('<key>', 'its key')
    .action(onDatabase(show));
  command('update', 'change a role; its key stays')
    .argument('<key>', 'its key')
    .option('--name <name>', 'name that people are shown')
    .option('--description <words>', 'what it is for')
    .addOption(ownPermission('; these and no others'))
    .option('--no-permission', "none of Plinto's own")
    .action(onDatabase(update));
  grantCommands(command);
  command('delete', 'delete a role: members and invitations lose it')
    .argument('<key>', 'its key')
    .option('--yes', "don't ask", false)
    .action(onDatabase(remove));
}

function ownPermission(more = ''): Option {
  const choices = OWN_PERMISSIONS.join(', ');
  return new Option(
    '--permission <name>',
    `one of Plinto's own: ${choices}; may be repeated${more}`,
  ).argParser((text: string, before: string[] | boolean | undefined) => {
    if (!OWN_PERMISSIONS.includes(text as OwnPermission)) {
      throw new InvalidArgumentError(`Choose from ${choices}.`);
    }
    return collect(text, Array.isArray(before) ? before : []);
  });
}

/** Reads `--grant`. An indicator can have an = in it; what is after the last one is permissions. */
function grants(text: string, before: Role['api'] = {}): Role['api'] {
  const [, indicator, names] = /^(\S+)=([^\s=]+)$/.exec(text) ?? [];
  if (indicator === undefined || names === undefined) {
    throw new InvalidArgumentError('It must be like https://api.example.com=read,write.');
  }
  return { ...before, [indicator]: [...(before[indicator] ?? []), ...names.split(',')] };
}

type CreateOptions = Whose & {
  name: string;
  key?: string;
  description?: string;
  permission?: string[];
  grant?: Role['api'];
};

async function create({ db, origin }: Session, options: CreateOptions): Promise<Answer> {
  const {
    name,
    key = '',
    description = '',
    permission: permissions = [],
    grant: api = {},
  } = options;
  const organization = await whose(db, options);
  const wish = { name, key, description, permissions, api };
  const result = await transaction(db, async (trx) => {
    await hold(trx, organization);
    const wanted = { ...wish, organizationId: organization?.id ?? null };
    return createRole(trx, origin, 'installation', wanted);
  });
  if (!result.ok) throw refusal(result, key);
  const value = describeRole(result.role);
  return { value, lines: [`Made the role ${value.name}.`, ...roleLines(value)] };
}

async function list({ db }: Session, options: Whose): Promise<Answer> {
  const organization = await whose(db, options);
  const roles = await listRoles(db, organization?.id ?? null);
  const items = roles.map((role) => ({
    ...describeRole(role),
    own: role.organization_id !== null,
  }));
  const columns = ['key', 'name', 'builtin', 'own', 'permissions', 'api'];
  return listAnswer({ items, next: null }, columns, 'There are no roles.');
}

async function show({ db }: Session, key: string, options: Whose): Promise<Answer> {
  const organization = await whose(db, options);
  const role = await getRole(db, organization, key);
  const use = await countRoleUse(db, role.id, organization?.id ?? null);
  const value = { ...describeRole(role), ...use };
  return { value, lines: roleLines(value) };
}

type UpdateOptions = Whose & {
  name?: string;
  description?: string;
  permission?: string[] | boolean;
};

async function update(
  { db, origin }: Session,
  key: string,
  options: UpdateOptions,
): Promise<Answer> {
  const { name, description, permission } = options;
  const wish = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(Array.isArray(permission) ? { permissions: permission } : {}),
    ...(permission === false ? { permissions: [] } : {}),
  };
  if (Object.keys(wish).length === 0) {
    throw new Error('nothing to change: say what with options, see --help');
  }
  const organization = await whose(db, options);
  const { id } = await getRole(db, organization, key);
  const result = await transaction(db, async (trx) => {
    await hold(trx, organization);
    const which = { organizationId: organization?.id ?? null, id };
    return updateRole(trx, origin, 'installation', which, () => wish);
  });
  if (!result.ok) throw refusal(result, key);
  const value = describeRole(result.role);
  return { value, lines: [`Changed the role ${value.name}.`, ...roleLines(value)] };
}

async function remove(
  { db, origin }: Session,
  key: string,
  options: Whose & { yes: boolean },
): Promise<Answer> {
  const organization = await whose(db, options);
  const { id } = await getRole(db, organization, key);
  const { members, invitations } = await countRoleUse(db, id, organization?.id ?? null);
  const lost = `${members} members and ${invitations} invitations`;
  if (!options.yes) await confirmByName(`${lost} lose it. Type ${key} to delete it: `, key);
  const result = await transaction(db, async (trx) => {
    await hold(trx, organization);
    const which = { organizationId: organization?.id ?? null, id };
    return deleteRole(trx, origin, 'installation', which);
  });
  if (!result.ok) throw refusal(result, key);
  const value = { key, deleted: true, ...result.use };
  return { value, lines: [`Deleted the role ${key}, which ${lost} had.`] };
}

function roleLines({ api, ...rest }: ReturnType<typeof describeRole>): string[] {
  const given = Object.entries(api).map(
    ([indicator, names]) => `gives ${indicator} ${names.join(' ')}`,
  );
  return [...details(rest), ...given];
}
