import { createRemoteJWKSet, type JWTVerifyResult, jwtVerify } from 'jose';
import { SYSTEM } from '../../src/audit/events.ts';
import type { Client } from '../../src/clients/store.ts';
import { transaction } from '../../src/db/pool.ts';
import { assignResource, createResource } from '../../src/resources/manage-resources.ts';
import type { Resource } from '../../src/resources/store.ts';
import type { TestApp } from './app.ts';

/** Registers an API with its permissions. */
export async function createApi(
  app: TestApp,
  indicator: string,
  permissions: string[],
  options: Partial<Omit<Resource, 'id' | 'indicator'>> = {},
): Promise<void> {
  const created = await transaction(app.runtime.deps.db, (trx) =>
    createResource(trx, SYSTEM, {
      indicator,
      name: `API at ${indicator}`,
      token_format: 'jwt',
      access_token_ttl: null,
      owner_client_id: null,
      permissions: permissions.map((name) => ({ name, description: null })),
      ...options,
    }),
  );
  if (!created.ok) throw new Error(created.reason);
}

/** Lets a client be granted permissions of an API; all when none are named. */
export async function assignApi(
  app: TestApp,
  client: Pick<Client, 'id'>,
  indicator: string,
  permissions: string[] = [],
): Promise<void> {
  const input = { clientId: client.id, indicator, permissions };
  const assigned = await transaction(app.runtime.deps.db, (trx) =>
    assignResource(trx, SYSTEM, input),
  );
  if (!assigned.ok) throw new Error(assigned.reason);
}

/** Verifies an access token as the API would (RFC 9068 §4). */
export function verifyAccessToken(
  issuer: string,
  token: string,
  audience: string,
): Promise<JWTVerifyResult> {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  const options = { issuer, audience, typ: 'at+jwt', requiredClaims: ['exp', 'iat', 'jti', 'sub'] };
  return jwtVerify(token, keys, options);
}
