import { v4 as randomUuid, v7 as uuid } from 'uuid';
import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import type { DerivedKey } from '../crypto/keyring.ts';
import type { Trx } from '../deps.ts';
import { lockOrganizationFor } from '../organizations/store.ts';
import { type ClientInput, checkedMetadata, clientMetadata, needsSecret } from './metadata.ts';
import { generateClientSecret, hashClientSecret } from './secret.ts';
import {
  type Client,
  type ClientMetadata,
  expireClientSecret,
  insertClient,
  insertClientSecret,
  listClientSecrets,
  lockClient,
  removeClient,
  removeOtherClientSecrets,
  updateClient,
} from './store.ts';

/** What managing clients needs: the provider's own validation, and what secrets are made with. */
export type ClientTools = {
  /** Throws with a description of what is wrong with the metadata (RFC 7591 §3.2.2). */
  validate: (client: Pick<Client, 'id' | 'name' | 'first_party' | 'metadata'>) => Promise<void>;
  secretKeys: readonly DerivedKey[];
  randomBytes: (size: number) => Buffer;
};

type SecretTools = Pick<ClientTools, 'secretKeys' | 'randomBytes'>;

/**
 * Creates a client. The secret, for kinds that have one, is in the result and nowhere else.
 *
 * @throws check_violation for one of an organization that is no machine.
 * @throws the validator's error when the metadata isn't valid; nothing is stored then.
 */
export async function createClient(
  trx: Trx,
  tools: ClientTools,
  origin: Origin,
  input: ClientInput & {
    name: string;
    firstParty: boolean;
    id?: string | undefined;
    /** Of the organization that a machine belongs to. */
    organizationId?: string | undefined;
  },
): Promise<{ client: Client; secret: string | undefined }> {
  await holdOrganization(trx, input.organizationId);
  const draft = {
    id: input.id ?? randomUuid(),
    name: input.name,
    kind: input.kind,
    first_party: input.firstParty,
    metadata: checkedMetadata(clientMetadata(input)),
    organization_id: input.organizationId ?? null,
  };
  await tools.validate(draft);
  const client = await insertClient(trx, draft);
  const secret = needsSecret(draft.metadata) ? await addSecret(trx, tools, draft.id) : undefined;
  const data = { kind: input.kind, firstParty: input.firstParty };
  await record(trx, origin, { type: 'client.created', ...namesOf(client), data });
  return { client, secret };
}

/**
 * Changes a client. Metadata given as null is removed. Of changes made at once none is lost.
 *
 * @throws the validator's error; nothing is stored then.
 */
export async function changeClient(
  trx: Trx,
  tools: ClientTools,
  origin: Origin,
  client: Client,
  change: { name?: string | undefined; firstParty?: boolean | undefined; metadata: ClientMetadata },
): Promise<Client> {
  await holdOrganization(trx, client.organization_id);
  const current = (await lockClient(trx, client.id)) ?? client;
  const next = {
    ...current,
    name: change.name ?? current.name,
    first_party: change.firstParty ?? current.first_party,
    metadata: checkedMetadata({ ...current.metadata, ...change.metadata }),
  };
  await tools.validate(next);
  await updateClient(trx, client.id, {
    name: next.name,
    first_party: next.first_party,
    metadata: next.metadata,
  });
  const fields = [
    ...(change.name === undefined ? [] : ['client_name']),
    ...(change.firstParty === undefined ? [] : ['first_party']),
    ...Object.keys(change.metadata),
  ];
  await record(trx, origin, { type: 'client.updated', ...namesOf(client), data: { fields } });
  return next;
}

/**
 * Gives a client a new secret. The newest of the old ones stays valid for `overlap` seconds, so that
 * two are valid while the application is switched over.
 */
export async function rotateClientSecret(
  trx: Trx,
  tools: SecretTools,
  origin: Origin,
  client: Client,
  overlap: number,
): Promise<{ secret: string; previousExpiresAt: Date | undefined }> {
  await holdOrganization(trx, client.organization_id);
  const [previous] = await listClientSecrets(trx, client.id);
  await removeOtherClientSecrets(trx, client.id, previous && overlap > 0 ? [previous.id] : []);
  const previousExpiresAt =
    previous && overlap > 0 ? await expireClientSecret(trx, previous.id, overlap) : undefined;
  const secret = await addSecret(trx, tools, client.id);
  await record(trx, origin, {
    type: 'client.secret_rotated',
    ...namesOf(client),
    data: { previousExpiresAt: previousExpiresAt?.toISOString() ?? null },
  });
  return { secret, previousExpiresAt };
}

/** Deletes a client with its grants and tokens. */
export async function deleteClient(trx: Trx, origin: Origin, client: Client): Promise<void> {
  await holdOrganization(trx, client.organization_id);
  await removeClient(trx, client.id);
  await record(trx, origin, { type: 'client.deleted', ...namesOf(client) });
}

/** What an organization has is changed while it is held, as all of it, so that nobody waits in a ring. */
async function holdOrganization(trx: Trx, id: string | null | undefined): Promise<void> {
  if (id) await lockOrganizationFor(trx, id, undefined);
}

/** What the log calls a client. */
function namesOf(client: Client): { clientId: string; organizationId?: string } {
  const { id, organization_id: organizationId } = client;
  return organizationId === null ? { clientId: id } : { clientId: id, organizationId };
}

async function addSecret(trx: Trx, tools: SecretTools, clientId: string): Promise<string> {
  const secret = generateClientSecret(tools.randomBytes);
  const hash = hashClientSecret(tools.secretKeys, secret);
  await insertClientSecret(trx, { id: uuid(), client_id: clientId, hash });
  return secret;
}
