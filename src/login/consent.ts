import type { Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { transaction } from '../db/pool.ts';
import type { Db, Deps } from '../deps.ts';
import { findAssignedResource } from '../resources/store.ts';
import { findUser } from '../users/store.ts';
import type { Interaction } from './interaction.ts';

/** What the consent page says: who asks, for what, how long, and where it goes. */
export async function describeConsent(
  db: Db,
  interaction: Interaction,
): Promise<Record<string, unknown>> {
  const { missing, requestedScopes, sessionUserId } = interaction;
  const user = sessionUserId === undefined ? undefined : await findUser(db, sessionUserId);
  const scopes = missing.scopes.length > 0 ? missing.scopes : requestedScopes;
  const resources = await Promise.all(
    Object.entries(missing.resources).map(async ([indicator, names]) => {
      const resource = await findAssignedResource(db, indicator, interaction.clientId);
      const known = resource?.permissions.filter((p) => names.includes(p.name)) ?? [];
      return { name: resource?.name ?? indicator, scopes: known };
    }),
  );
  const standard = scopes.filter((s) => STANDARD_SCOPES.has(s));
  return {
    app: interaction.app,
    account: user?.email ?? user?.username ?? '',
    scopes: standard.map((name) => ({ name, title: name })),
    resources,
    claims: missing.claims,
    offline: requestedScopes.includes('offline_access'),
    redirectHost: interaction.redirectHost,
  };
}

const STANDARD_SCOPES = new Set([
  'openid',
  'profile',
  'email',
  'phone',
  'address',
  'offline_access',
]);

/** Records that a person agreed, or didn't. */
export async function recordConsent(
  deps: Deps,
  origin: Origin,
  interaction: Interaction,
  agreed: boolean,
): Promise<void> {
  const userId = interaction.sessionUserId;
  if (userId === undefined) return;
  const { clientId, missing } = interaction;
  const scopes = [...missing.scopes, ...Object.values(missing.resources).flat()];
  await transaction(deps.db, (trx) =>
    record(
      trx,
      { ...origin, actor: `user:${userId}` },
      agreed
        ? { type: 'consent.granted', userId, clientId, data: { scopes } }
        : { type: 'consent.denied', userId, clientId },
    ),
  );
}
