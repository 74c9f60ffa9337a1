import { type Command, Option } from 'commander';
import { transaction } from '../db/pool.ts';
import {
  assignResource,
  changeResource,
  createResource,
  deleteResource,
  type ResourceProblem,
  unassignResource,
} from '../resources/manage-resources.ts';
import {
  findResource,
  listPermissions,
  listResources,
  type Permission,
  type Resource,
} from '../resources/store.ts';
import { getClient } from './client.ts';
import { onDatabase, type Session } from './session.ts';
import type { Answer } from './terminal/output.ts';
import {
  collect,
  listAnswer,
  type Page,
  pageOf,
  pagingOptions,
  wholeNumber,
} from './terminal/paging.ts';
import { details } from './terminal/table.ts';

/** `plinto resource …`: APIs that access tokens are for (RFC 8707). */
export function resourceCommands(group: Command): void {
  group
    .command('create')
    .description('register an API')
    .requiredOption('--indicator <uri>', 'its resource indicator: the audience of its tokens')
    .requiredOption('--name <name>', 'name that people are shown')
    .requiredOption(
      '--permission <name[=words]>',
      'scope that clients may be granted, with words for people; may be repeated',
      collect,
    )
    .addOption(
      new Option('--format <format>', 'of its access tokens')
        .choices(['jwt', 'opaque'])
        .default('jwt'),
    )
    .option('--ttl <seconds>', 'life of its access tokens', wholeNumber(60, 86_400))
    .option('--owner <client>', 'id of the client that may introspect its tokens')
    .addOption(organizationUse().default('optional'))
    .option('--json', 'print JSON')
    .action(onDatabase(create));
  pagingOptions(group.command('list'))
    .description('list APIs in order of indicator')
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('show')
    .description('show an API with its permissions')
    .requiredOption('--indicator <uri>', 'resource indicator of the API')
    .option('--json', 'print JSON')
    .action(onDatabase(show));
  updateCommand(group.command('update'));
  assignmentCommands(group);
  group
    .command('delete')
    .description('delete an API: no more tokens for it')
    .requiredOption('--indicator <uri>', 'resource indicator of the API')
    .option('--json', 'print JSON')
    .action(onDatabase(remove));
}

function organizationUse(): Option {
  return new Option(
    '--organizations <when>',
    'whether its tokens name an organization: never, as apps ask, or always',
  ).choices(['none', 'optional', 'required'] satisfies Resource['organizations'][]);
}

function updateCommand(command: Command): void {
  command
    .description('change an API; its indicator stays')
    .requiredOption('--indicator <uri>', 'resource indicator of the API')
    .option('--name <name>', 'name that people are shown')
    .addOption(new Option('--format <format>', 'of its access tokens').choices(['jwt', 'opaque']))
    .option('--ttl <seconds>', 'life of its access tokens', wholeNumber(60, 86_400))
    .option('--no-ttl', "as long as the installation's")
    .option('--owner <client>', 'id of the client that may introspect its tokens')
    .option('--no-owner', 'no client but the one that holds a token may')
    .addOption(organizationUse())
    .option(
      '--permission <name[=words]>',
      'one more, or other words for one there is; may be repeated',
      collect,
    )
    .option(
      '--remove-permission <name>',
      'one that clients and roles lose; may be repeated',
      collect,
    )
    .option('--json', 'print JSON')
    .action(onDatabase(update));
}

function assignmentCommands(group: Command): void {
  group
    .command('assign')
    .description('let a client ask for permissions of an API: all, or those named')
    .requiredOption('--indicator <uri>', 'resource indicator of the API')
    .requiredOption('--client <id>', 'client id')
    .option('--permission <name>', 'may be repeated', collect)
    .option('--json', 'print JSON')
    .action(onDatabase(assign));
  group
    .command('unassign')
    .description('take permissions of an API from a client: all, or those named')
    .requiredOption('--indicator <uri>', 'resource indicator of the API')
    .requiredOption('--client <id>', 'client id')
    .option('--permission <name>', 'may be repeated', collect)
    .option('--json', 'print JSON')
    .action(onDatabase(unassign));
}

type CreateOptions = {
  indicator: string;
  name: string;
  permission: string[];
  format: Resource['token_format'];
  ttl?: number;
  owner?: string;
  organizations: Resource['organizations'];
};

async function create({ db, origin }: Session, options: CreateOptions): Promise<Answer> {
  if (options.owner !== undefined) await getClient(db, options.owner);
  const permissions = options.permission.map(parsePermission);
  const result = await transaction(db, (trx) =>
    createResource(trx, origin, {
      indicator: options.indicator,
      name: options.name,
      token_format: options.format,
      access_token_ttl: options.ttl ?? null,
      owner_client_id: options.owner ?? null,
      organizations: options.organizations,
      permissions,
    }),
  );
  if (!result.ok) throw new Error(explain(result.reason, result.detail ?? options.indicator));
  return describe(result.value, permissions, [`Registered the API ${options.name}.`]);
}

async function list({ db }: Session, options: Page): Promise<Answer> {
  const page = await pageOf(
    options,
    (p) => listResources(db, p),
    ({ indicator }) => indicator,
  );
  const columns = [
    ...['indicator', 'name', 'permissions', 'token_format', 'access_token_ttl', 'organizations'],
  ];
  return listAnswer(page, columns, 'There are no APIs.');
}

async function show({ db }: Session, { indicator }: { indicator: string }): Promise<Answer> {
  const resource = await findResource(db, indicator);
  if (resource === undefined) throw new Error(explain('resource_unknown', indicator));
  const permissions = await listPermissions(db, resource.id);
  return describe(resource, permissions, []);
}

function describe(resource: Resource, permissions: Permission[], lines: string[]): Answer {
  const names = permissions.map(({ name }) => name);
  return {
    value: { ...resource, permissions },
    lines: [...lines, ...details({ ...resource, permissions: names })],
  };
}

type UpdateOptions = {
  indicator: string;
  name?: string;
  format?: Resource['token_format'];
  ttl?: number | boolean;
  owner?: string | boolean;
  organizations?: Resource['organizations'];
  permission?: string[];
  removePermission?: string[];
};

async function update({ db, origin }: Session, options: UpdateOptions): Promise<Answer> {
  const { indicator, name, format, ttl, owner, organizations } = options;
  if (typeof owner === 'string') await getClient(db, owner);
  const change = {
    ...(name === undefined ? {} : { name }),
    ...(format === undefined ? {} : { token_format: format }),
    ...(typeof ttl === 'number' ? { access_token_ttl: ttl } : {}),
    ...(ttl === false ? { access_token_ttl: null } : {}),
    ...(organizations === undefined ? {} : { organizations }),
    ...(typeof owner === 'string' ? { owner_client_id: owner } : {}),
    ...(owner === false ? { owner_client_id: null } : {}),
    set: (options.permission ?? []).map(parsePermission),
    remove: options.removePermission ?? [],
  };
  if (Object.keys(change).length === 2 && change.set.length + change.remove.length === 0) {
    throw new Error('nothing to change: say what with options, see --help');
  }
  const result = await transaction(db, (trx) => changeResource(trx, origin, indicator, change));
  if (!result.ok) throw new Error(explain(result.reason, result.detail ?? indicator));
  const permissions = await listPermissions(db, result.value.id);
  return describe(result.value, permissions, [`Changed the API ${result.value.name}.`]);
}

type AssignOptions = { indicator: string; client: string; permission?: string[] };

async function assign(session: Session, options: AssignOptions): Promise<Answer> {
  const value = await changeAssignment(session, options, assignResource);
  const { client_id, indicator, permissions } = value;
  return { value, lines: [`${client_id} may ask ${indicator} for: ${permissions.join(' ')}`] };
}

async function unassign(session: Session, options: AssignOptions): Promise<Answer> {
  const value = await changeAssignment(session, options, unassignResource);
  const { client_id, indicator, permissions } = value;
  const taken = permissions.join(' ') || 'nothing: it had none of these';
  return { value, lines: [`Taken from ${client_id} at ${indicator}: ${taken}`] };
}

async function changeAssignment(
  { db, origin }: Session,
  { indicator, client, permission: permissions = [] }: AssignOptions,
  change: typeof assignResource,
): Promise<{ indicator: string; client_id: string; permissions: string[] }> {
  await getClient(db, client);
  const result = await transaction(db, (trx) =>
    change(trx, origin, { clientId: client, indicator, permissions }),
  );
  if (!result.ok) throw new Error(explain(result.reason, result.detail ?? indicator));
  return { indicator, client_id: client, permissions: result.value };
}

async function remove({ db, origin }: Session, options: { indicator: string }): Promise<Answer> {
  const { indicator } = options;
  if (!(await transaction(db, (trx) => deleteResource(trx, origin, indicator)))) {
    throw new Error(explain('resource_unknown', indicator));
  }
  return { value: { indicator, deleted: true }, lines: [`Deleted the API ${indicator}.`] };
}

/** `read`, or `read=Read your calendar`. */
function parsePermission(text: string): Permission {
  const at = text.indexOf('=');
  if (at === -1) return { name: text, description: null };
  return { name: text.slice(0, at), description: text.slice(at + 1).trim() || null };
}

function explain(reason: ResourceProblem, what: string): string {
  switch (reason) {
    case 'indicator_invalid':
      return `${what} can't be a resource indicator: use an absolute URI without # and spaces`;
    case 'indicator_taken':
      return `there is an API ${what} already`;
    case 'permission_invalid':
      return `${what} can't be a permission: it has spaces or quotes, is a standard scope, or is there twice`;
    case 'permission_unknown':
      return `the API has no permission ${what}: \`plinto resource list\` shows which it has`;
    case 'resource_unknown':
      return `there is no API ${what}: \`plinto resource list\` shows which there are`;
  }
}
