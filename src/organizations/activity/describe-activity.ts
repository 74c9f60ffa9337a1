import type { StoredEvent } from '../../audit/store.ts';
import { isId } from '../../db/id.ts';
import type { Db } from '../../deps.ts';
import { findNames, type Named } from './store.ts';

/** Who did something, or whom it is about. */
export type Party =
  | { kind: 'person'; id: string; name: string | null; address: string | null }
  /** An app, or whoever was invited. */
  | { kind: 'app' | 'invited'; id: string; name: string | null }
  /** Their account is deleted. */
  | { kind: 'gone'; id: string }
  /** Of the installation; nobody who is known; the installation. */
  | { kind: 'administrator' | 'unknown' | 'system' };

/** An event as members of its organization who may see its activity read it. */
export type Described = {
  id: string;
  at: Date;
  type: string;
  by: Party;
  /** Undefined where it is about who did it, or about nobody. */
  about: Party | undefined;
  app: { id: string; name: string | null } | undefined;
  ip: string | null;
  userAgent: string | null;
  data: Record<string, unknown>;
};

/** Says of events of an organization who did them and whom they are about, by one query. */
export async function describeActivity(
  db: Db,
  organizationId: string,
  events: readonly StoredEvent[],
): Promise<Described[]> {
  const named = await findNames(db, organizationId, {
    users: events.flatMap((event) => [userOf(event), event.user_id].filter(isId)),
    clients: events.flatMap((event) => [clientOf(event), event.client_id].filter(isText)),
    invitations: events.map(invitationOf).filter(isId),
  });
  const names = new Map(named.map((one) => [`${one.kind} ${one.id}`, one]));
  return events.map((event) => ({
    ...{ id: event.id, at: event.at, type: event.type, data: event.data },
    by: whoDid(event, names),
    about: aboutWhom(event, names),
    app: event.client_id === null ? undefined : appOf(event.client_id, names),
    ip: event.ip,
    userAgent: event.user_agent,
  }));
}

type Names = ReadonlyMap<string, Named>;

function whoDid(event: StoredEvent, names: Names): Party {
  const user = userOf(event);
  if (user !== undefined) return personOf(user, names);
  const client = clientOf(event);
  if (client !== undefined) return { kind: 'app', ...appOf(client, names) };
  if (event.actor.startsWith('cli:')) return { kind: 'administrator' };
  return { kind: event.actor === 'system' ? 'system' : 'unknown' };
}

function aboutWhom(event: StoredEvent, names: Names): Party | undefined {
  const { user_id: user } = event;
  if (user !== null) return user === userOf(event) ? undefined : personOf(user, names);
  const invitation = names.get(`invitation ${invitationOf(event)}`);
  return invitation && { kind: 'invited', id: invitation.id, name: invitation.address };
}

function personOf(id: string, names: Names): Party {
  const person = names.get(`user ${id}`);
  if (person === undefined) return { kind: 'gone', id };
  if (!person.member && person.administrator) return { kind: 'administrator' };
  return { kind: 'person', id, name: person.name, address: person.address };
}

function appOf(id: string, names: Names): { id: string; name: string | null } {
  return { id, name: names.get(`client ${id}`)?.name ?? null };
}

const userOf = ({ actor }: StoredEvent) => (/^user:(.+)$/.exec(actor) ?? [])[1];
const clientOf = ({ actor }: StoredEvent) => (/^client:(.+)$/.exec(actor) ?? [])[1];
const invitationOf = ({ data }: StoredEvent) => data.invitationId;
const isText = (value: unknown): value is string => typeof value === 'string';
