import type { Db } from '../deps.ts';
import type { Consent } from './consents.ts';
import type { Payload } from './payload.ts';

/** A client that may do something for a person. */
export type ConnectedClient = Consent & {
  clientId: string;
  /** When the person agreed, or first used it. */
  since: Date;
  /** When it last got a token, as far as one is left that tells. */
  lastUsed: Date | undefined;
};

type ConsentRow = Consent & { client_id: string; granted_at: Date };
type GrantRow = { client_id: string; payload: Payload };
type UseRow = { client_id: string; used: Date };

/** The clients with a person's consent or a living grant, the newest first. */
export async function listConnectedClients(db: Db, userId: string): Promise<ConnectedClient[]> {
  const columns = ['client_id', 'scopes', 'claims', 'resources', 'granted_at'];
  const consents: ConsentRow[] = await db('consents')
    .where({ user_id: userId })
    .select(columns)
    .unionAll(db('organization_consents').where({ user_id: userId }).select(columns));
  const grants: GrantRow[] = await db('oidc_grants')
    .where({ account_id: userId })
    .whereRaw('expires_at > now()')
    .select('client_id', 'payload');
  const { rows: uses } = await db.raw<{ rows: UseRow[] }>(
    `SELECT client_id, to_timestamp(max((payload->>'iat')::bigint)) AS used FROM (
       SELECT client_id, payload FROM oidc_refresh_tokens WHERE account_id = :userId
       UNION ALL SELECT client_id, payload FROM oidc_artifacts WHERE account_id = :userId
         AND client_id IS NOT NULL) tokens
     GROUP BY client_id`,
    { userId },
  );
  const lastUsed = new Map(uses.map(({ client_id, used }) => [client_id, used]));
  const ids = new Set([...consents, ...grants].map(({ client_id }) => client_id));
  return [...ids]
    .map((clientId) => ({
      clientId,
      ...joined(
        consents.filter(({ client_id }) => client_id === clientId),
        grants.filter(({ client_id }) => client_id === clientId),
      ),
      lastUsed: lastUsed.get(clientId),
    }))
    .sort((a, b) => b.since.getTime() - a.since.getTime());
}

function joined(consents: ConsentRow[], grants: GrantRow[]): Consent & { since: Date } {
  const parts = [...consents, ...grants.map(contentOf)];
  const agreed = consents.map(({ granted_at }) => granted_at.getTime());
  const starts =
    agreed.length > 0 ? agreed : grants.map(({ payload }) => Number(payload.iat) * 1000);
  const indicators = new Set(parts.flatMap(({ resources }) => Object.keys(resources)));
  return {
    scopes: [...new Set(parts.flatMap(({ scopes }) => scopes))],
    claims: [...new Set(parts.flatMap(({ claims }) => claims))],
    resources: Object.fromEntries(
      [...indicators].map((indicator) => [
        indicator,
        [...new Set(parts.flatMap(({ resources }) => resources[indicator] ?? []))],
      ]),
    ),
    since: new Date(Math.min(...starts)),
  };
}

/** What a grant of the library's says. */
function contentOf({ payload }: GrantRow): Consent {
  const { openid, resources } = payload as {
    openid?: { scope?: string; claims?: string[] };
    resources?: Record<string, string>;
  };
  return {
    scopes: openid?.scope?.split(' ') ?? [],
    claims: openid?.claims ?? [],
    resources: Object.fromEntries(
      Object.entries(resources ?? {}).map(([indicator, scope]) => [indicator, scope.split(' ')]),
    ),
  };
}
