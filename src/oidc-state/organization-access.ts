import type { Trx } from '../deps.ts';

/**
 * Ends what apps may do in an organization at once: grants, refresh and access tokens, codes; of one
 * member, or of everybody with its machine clients.
 */
export async function endOrganizationAccess(
  trx: Trx,
  organizationId: string,
  userId?: string,
): Promise<void> {
  const whose = { organizationId, userId: userId ?? null };
  // Ended rather than deleted, as one grant is (grants.ts), and in one order, so that of two that end
  // the same grants neither waits for the other.
  await trx.raw(
    `UPDATE oidc_grants SET expires_at = now() WHERE id IN (
       SELECT id FROM oidc_grants
       WHERE organization_id = :organizationId
         AND (:userId::uuid IS NULL OR account_id = :userId::uuid) AND expires_at > now()
       ORDER BY id FOR UPDATE)`,
    whose,
  );
  for (const table of ['oidc_refresh_tokens', 'oidc_artifacts']) {
    await trx.raw(
      `DELETE FROM ?? WHERE grant_id IN (
         SELECT id FROM oidc_grants
         WHERE organization_id = ? AND (?::uuid IS NULL OR account_id = ?::uuid))`,
      [table, organizationId, whose.userId, whose.userId],
    );
  }
  if (userId === undefined) {
    await trx.raw(
      `DELETE FROM oidc_artifacts WHERE model = 'ClientCredentials' AND client_id IN (
         SELECT id FROM clients WHERE organization_id = ?)`,
      [organizationId],
    );
  }
}
