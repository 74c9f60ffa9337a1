import type { Trx } from '../deps.ts';
import { addJob } from '../jobs/store.ts';
import type { Payload } from './payload.ts';
import { listSessionUids } from './sign-ins.ts';

/** Whose session ended, and which clients were signed in to by it. */
export type EndedSession = { userId: string; clientIds: string[] };

type Row = { uid: string; account_id: string | null; payload: Payload };

/**
 * Ends one browser session and everything that was issued in it, offline access included; each
 * client that it was used for is told (OpenID Connect Back-Channel Logout §2). Of N that race, one
 * gets what ended, the others undefined.
 */
export async function endSession(trx: Trx, uid: string): Promise<EndedSession | undefined> {
  const { ended, grantIds } = await endSessions(trx, [uid]);
  await endGrants(trx, grantIds);
  return ended[0];
}

/**
 * Marks a session that was just signed out of, so that no request under way stores it again; what one
 * stored since then goes.
 *
 * @returns whether it wasn't marked before: of N that race, one gets true.
 */
export async function markSessionEnded(trx: Trx, uid: string): Promise<boolean> {
  const marked = await trx('sign_ins')
    .where({ session_uid: uid, ended_at: null })
    .update({ ended_at: trx.fn.now() });
  await trx('oidc_sessions').where({ uid }).delete();
  return marked > 0;
}

/**
 * Ends everything a person is signed in to: sessions, grants, refresh and access tokens, codes. The
 * session `except` goes on, with what was issued in it.
 */
export async function endUserState(
  trx: Trx,
  userId: string,
  options: { except?: string | undefined } = {},
): Promise<void> {
  const { except = null } = options;
  const uids = await listSessionUids(trx, userId);
  await endSessions(
    trx,
    uids.filter((uid) => uid !== except),
  );
  const kept = except === null ? [] : await grantsOf(trx, except);
  // Those of the sessions among them, all at once: in one order, as whoever ends some of them does.
  await trx.raw(
    `UPDATE oidc_grants SET expires_at = now() WHERE id IN (
       SELECT id FROM oidc_grants
       WHERE account_id = :userId AND expires_at > now() AND id <> ALL (:kept::text[])
       ORDER BY id FOR UPDATE)`,
    { userId, kept },
  );
  await trx.raw(
    'DELETE FROM oidc_refresh_tokens WHERE account_id = :userId AND grant_id <> ALL (:kept::text[])',
    { userId, kept },
  );
  // A sign-in that was proven but not gone on with starts over; its page still finds its way back.
  await trx.raw(
    `UPDATE oidc_artifacts SET consumed_at = now()
     WHERE account_id = :userId AND model = 'Interaction' AND consumed_at IS NULL`,
    { userId },
  );
  await trx.raw(
    `DELETE FROM oidc_artifacts
     WHERE account_id = :userId AND model <> 'Interaction'
       AND (grant_id IS NULL OR grant_id <> ALL (:kept::text[]))`,
    { userId, kept },
  );
}

/**
 * Ends what a client may do for a person, in every session and without one.
 *
 * @returns whether there was anything: of N that race, one gets true.
 */
export async function endClientAccess(
  trx: Trx,
  userId: string,
  clientId: string,
): Promise<boolean> {
  const rows = await trx('oidc_grants').where({ account_id: userId, client_id: clientId });
  const ids = rows.map(({ id }) => id);
  return (await endGrants(trx, ids)) > 0;
}

/**
 * A session is marked as ended before its row goes, and storing it looks at the mark: or a request
 * under way that had found the session would bring it back (sessions.ts). Its grants are for the caller
 * to end.
 */
async function endSessions(
  trx: Trx,
  uids: string[],
): Promise<{ ended: EndedSession[]; grantIds: string[] }> {
  if (uids.length === 0) return { ended: [], grantIds: [] };
  // In one order, so that of two that end the same sessions neither waits for the other.
  await trx.raw(
    `UPDATE sign_ins SET ended_at = now() WHERE session_uid IN (
       SELECT session_uid FROM sign_ins WHERE session_uid = ANY (?) AND ended_at IS NULL
       ORDER BY session_uid FOR UPDATE)`,
    [uids],
  );
  const sessions: Row[] = await trx('oidc_sessions')
    .whereRaw('uid = ANY (?)', [uids])
    .delete()
    .returning(['uid', 'account_id', 'payload']);
  const grantIds = sessions.flatMap(({ payload }) => authorizationsOf(payload).grantIds);
  const ended: EndedSession[] = [];
  for (const { account_id: userId, payload } of sessions) {
    if (userId === null) continue;
    const { sids } = authorizationsOf(payload);
    for (const [clientId, sid] of sids) {
      await addJob(trx, 'backchannel-logout', { clientId, sub: userId, sid });
    }
    ended.push({ userId, clientIds: sids.map(([clientId]) => clientId) });
  }
  return { ended, grantIds };
}

/**
 * Ended rather than deleted, as one grant is (grants.ts); after the session that they are of, if that
 * changes too, and in one order, so that of two that end the same grants neither waits for the other.
 *
 * @returns how many were living.
 */
export async function endGrants(trx: Trx, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0;
  // Not now(), when this transaction began: what another ended since then would still seem to live.
  const { rowCount } = await trx.raw(
    `UPDATE oidc_grants SET expires_at = now() WHERE id IN (
       SELECT id FROM oidc_grants WHERE id = ANY (?) AND expires_at > clock_timestamp()
       ORDER BY id FOR UPDATE)`,
    [ids],
  );
  await trx.raw('DELETE FROM oidc_refresh_tokens WHERE grant_id = ANY (?)', [ids]);
  await trx.raw('DELETE FROM oidc_artifacts WHERE grant_id = ANY (?)', [ids]);
  return rowCount;
}

async function grantsOf(trx: Trx, uid: string): Promise<string[]> {
  const rows = await trx('oidc_sessions').where({ uid }).select('payload');
  return rows.flatMap(({ payload }) => authorizationsOf(payload).grantIds);
}

/** What a session was used for: grants, and the `sid` of each client. */
function authorizationsOf(payload: Payload): {
  grantIds: string[];
  sids: [clientId: string, sid: string | undefined][];
} {
  const all = Object.entries(
    (payload.authorizations ?? {}) as Record<string, { sid?: string; grantId?: string }>,
  );
  return {
    grantIds: all.flatMap(([, { grantId }]) => (grantId === undefined ? [] : [grantId])),
    // Those without one are the grants of a client in each organization (oidc/organization).
    sids: all.filter(([id]) => !id.includes('\n')).map(([clientId, { sid }]) => [clientId, sid]),
  };
}
