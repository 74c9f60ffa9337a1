import type { Command } from 'commander';
import {
  type ClientTools,
  changeClient,
  createClient,
  deleteClient,
  rotateClientSecret,
} from '../clients/manage-clients.ts';
import { type ClientInput, needsSecret } from '../clients/metadata.ts';
import { type Client, findClient, listClientSecrets, listClients } from '../clients/store.ts';
import { transaction } from '../db/pool.ts';
import type { Db } from '../deps.ts';
import { createClientValidator } from '../oidc/validate-client.ts';
import { listClientPermissions } from '../resources/store.ts';
import {
  type ClientOptions,
  clientId,
  clientOptions,
  kindOption,
  metadataOf,
} from './client/client-options.ts';
import { getActiveOrganization, getOrganization, ORGANIZATION } from './org/named-organization.ts';
import { onDatabase, type Session } from './session.ts';
import type { Answer } from './terminal/output.ts';
import { listAnswer, type Page, pageOf, pagingOptions, wholeNumber } from './terminal/paging.ts';
import { details } from './terminal/table.ts';

/** Seconds in which both secrets work, unless told otherwise, and at most. */
const OVERLAP = 86_400;
const MAX_OVERLAP = 90 * 86_400;

/** `plinto client …`: applications. */
export function clientCommands(group: Command): void {
  clientOptions(group.command('create'))
    .description('register an application; its secret is shown this once')
    .addOption(kindOption())
    .option('--id <id>', 'client id; made up unless given', clientId)
    .option('--organization <organization>', `${ORGANIZATION} of what a machine belongs to`)
    .action(onDatabase(create));
  pagingOptions(group.command('list'))
    .description('list clients in order of id')
    .option('--organization <organization>', `only those of the one with this ${ORGANIZATION}`)
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('show')
    .description('show a client')
    .argument('<id>', 'client id')
    .option('--json', 'print JSON')
    .action(onDatabase(show));
  clientOptions(group.command('update'))
    .description('change a client; metadata given as null is removed')
    .argument('<id>', 'client id')
    .option('--no-first-party', 'people are asked for consent')
    .option('--no-organization-required', 'people sign in to an organization only if asked to')
    .action(onDatabase(update));
  group
    .command('rotate-secret')
    .description('make a new secret, shown this once; the old one works on for a while')
    .argument('<id>', 'client id')
    .option(
      '--overlap <seconds>',
      'how long the old secret still works; 0 ends it now',
      wholeNumber(0, MAX_OVERLAP),
      OVERLAP,
    )
    .option('--json', 'print JSON')
    .action(onDatabase(rotateSecret));
  group
    .command('delete')
    .description('delete a client and end everything it was granted')
    .argument('<id>', 'client id')
    .option('--json', 'print JSON')
    .action(onDatabase(remove));
}

type CreateOptions = ClientOptions & {
  type: ClientInput['kind'];
  id?: string;
  organization?: string;
};

async function create(session: Session, options: CreateOptions): Promise<Answer> {
  const { name, type: kind, id } = options;
  if (!name) throw new Error('give the client a name with --name');
  checkKind(kind, options);
  const organization =
    options.organization === undefined
      ? undefined
      : await getActiveOrganization(session.db, options.organization);
  if (id !== undefined && (await findClient(session.db, id))) {
    throw new Error(`there is a client ${id} already: choose another --id`);
  }
  const tools = await clientTools(session);
  const { client, secret } = await transaction(session.db, (trx) =>
    createClient(trx, tools, session.origin, {
      name,
      kind,
      id,
      organizationId: organization?.id,
      firstParty: options.firstParty === true,
      redirectUris: options.redirectUri ?? [],
      postLogoutRedirectUris: [],
      scope: options.scope,
      metadata: metadataOf(options),
    }),
  );
  return {
    value: { ...describe(client), ...(secret === undefined ? {} : { client_secret: secret }) },
    lines: [`Created the client ${client.name}.`, ...credentials(client.id, secret)],
  };
}

function checkKind(kind: ClientInput['kind'], options: CreateOptions): void {
  const machine = kind === 'machine';
  if (machine && options.redirectUri) {
    throw new Error('nobody signs in to a machine client: leave --redirect-uri out');
  }
  if (machine && options.organizationRequired) {
    throw new Error('nobody signs in to a machine client: name its own with --organization');
  }
  if (!machine && options.organization !== undefined) {
    throw new Error('only a machine belongs to an organization: use --type machine');
  }
  if (!machine && !options.redirectUri && !options.metadata?.redirect_uris) {
    throw new Error('say where people come back to with --redirect-uri, or use --type machine');
  }
}

async function list({ db }: Session, options: Page & { organization?: string }): Promise<Answer> {
  const { organization, ...paging } = options;
  const organizationId =
    organization === undefined ? undefined : (await getOrganization(db, organization)).id;
  const page = await pageOf(
    paging,
    (p) => listClients(db, { ...p, organizationId }),
    ({ id }) => id,
  );
  const columns = ['id', 'name', 'kind', 'first_party', 'created_at'];
  const items = page.items.map(describe);
  return listAnswer({ ...page, items }, columns, 'There are no clients.');
}

async function show({ db }: Session, id: string): Promise<Answer> {
  const client = await getClient(db, id);
  const secrets = (await listClientSecrets(db, id)).map(({ created_at, expires_at }) => ({
    created_at,
    expires_at,
  }));
  const resources = await listClientPermissions(db, id);
  const { metadata, ...rest } = describe(client);
  const organization =
    client.organization_id && (await getOrganization(db, client.organization_id)).slug;
  const lines = [
    ...details({ ...rest, organization, ...metadata }),
    ...resources.map(
      ({ indicator, permissions }) => `may ask ${indicator} ${permissions.join(' ')}`,
    ),
    ...secrets.map(
      ({ created_at, expires_at }) =>
        `secret of ${created_at.toISOString()}${expires_at ? `, until ${expires_at.toISOString()}` : ''}`,
    ),
  ];
  return { value: { ...rest, organization, metadata, secrets, resources }, lines };
}

async function update(session: Session, id: string, options: ClientOptions): Promise<Answer> {
  const { db, origin } = session;
  const client = await getClient(db, id);
  const { name, firstParty } = options;
  const metadata = metadataOf(options);
  if (name === undefined && firstParty === undefined && Object.keys(metadata).length === 0) {
    throw new Error('nothing to change: say what with options, see --help');
  }
  const tools = await clientTools(session);
  await transaction(db, (trx) =>
    changeClient(trx, tools, origin, client, { name, firstParty, metadata }),
  );
  const changed = await getClient(db, id);
  const lines = [`Changed the client ${changed.name}.`];
  if (needsSecret(changed.metadata) && (await listClientSecrets(db, id)).length === 0) {
    lines.push(`It has no secret yet: plinto client rotate-secret ${id}`);
  }
  return { value: describe(changed), lines };
}

async function rotateSecret(
  session: Session,
  id: string,
  options: { overlap: number },
): Promise<Answer> {
  const { db, origin } = session;
  const client = await getClient(db, id);
  const method = client.metadata.token_endpoint_auth_method;
  if (!needsSecret(client.metadata)) {
    throw new Error(`${id} has no secret to rotate: it authenticates by ${method}`);
  }
  const { secret, previousExpiresAt: end } = await transaction(db, (trx) =>
    rotateClientSecret(trx, secretTools(session), origin, client, options.overlap),
  );
  const before = end
    ? `The one before works until ${end.toISOString()}.`
    : 'Others no longer work.';
  return {
    value: { id, client_secret: secret, previous_expires_at: end ?? null },
    lines: [...credentials(id, secret), before],
  };
}

async function remove({ db, origin }: Session, id: string): Promise<Answer> {
  const client = await getClient(db, id);
  await transaction(db, (trx) => deleteClient(trx, origin, client));
  return { value: { id, deleted: true }, lines: [`Deleted the client ${client.name}.`] };
}

async function clientTools(session: Session): Promise<ClientTools> {
  const { config, runtime } = session;
  const validate = await createClientValidator(runtime.deps, config, runtime.keyring);
  return { ...secretTools(session), validate };
}

function secretTools({ runtime }: Session): Pick<ClientTools, 'secretKeys' | 'randomBytes'> {
  return {
    secretKeys: runtime.keyring.clientSecrets,
    randomBytes: runtime.deps.randomBytes,
  };
}

/** @throws Error when there is none. */
export async function getClient(db: Db, id: string): Promise<Client> {
  const client = await findClient(db, id);
  if (client === undefined) {
    throw new Error(`there is no client ${id}: \`plinto client list\` shows which there are`);
  }
  return client;
}

function credentials(id: string, secret: string | undefined): string[] {
  const shown = secret === undefined ? {} : { client_secret: secret };
  const lines = details({ client_id: id, ...shown });
  return secret === undefined ? lines : [...lines, 'The secret is not shown again: store it now.'];
}

function describe(client: Client) {
  const { id, name, kind, first_party, organization_id, metadata, created_at, updated_at } = client;
  return { id, name, kind, first_party, organization_id, metadata, created_at, updated_at };
}
