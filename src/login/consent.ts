import type { AuditEvent, Origin } from '../audit/events.ts';
import { record } from '../audit/record.ts';
import { hashToken } from '../crypto/token-hash.ts';
import { transaction } from '../db/pool.ts';
import type { Db } from '../deps.ts';
import { findAssignedResource } from '../resources/store.ts';
import { accountName } from '../users/identifiers.ts';
import { findUser } from '../users/store.ts';
import type { LoginParts } from './flow.ts';
import type { Interaction } from './interaction.ts';
import { type Decision, saveDecision } from './store.ts';

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
    account: accountName(user),
    organization: interaction.organization,
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
  'organizations',
  'offline_access',
]);

/** Records what a person decided, once however often the form was sent. */
export async function recordDecision(
  parts: LoginParts,
  origin: Origin,
  interaction: Interaction,
  decision: Decision,
): Promise<void> {
  const { deps, ttl } = parts;
  const id = hashToken(interaction.uid);
  await transaction(deps.db, async (trx) => {
    if (!(await saveDecision(trx, id, ttl, decision))) return;
    const { sessionUserId } = interaction;
    const actor = sessionUserId === undefined ? {} : { actor: `user:${sessionUserId}` };
    await record(trx, { ...origin, ...actor }, decisionEvent(interaction, decision));
  });
}

function decisionEvent(interaction: Interaction, decision: Decision): AuditEvent {
  const { clientId, missing, sessionUserId: userId } = interaction;
  if (decision === 'aborted' || userId === undefined) return { type: 'sign_in.aborted', clientId };
  if (decision === 'denied') return { type: 'consent.denied', userId, clientId };
  const scopes = [...missing.scopes, ...Object.values(missing.resources).flat()];
  return { type: 'consent.granted', userId, clientId, data: { scopes } };
}
