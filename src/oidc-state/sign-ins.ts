import type { Db } from '../deps.ts';

/** A browser in which a person is signed in. */
export type SignIn = {
  /** The session's uid; it opens nothing. */
  uid: string;
  amr: string[];
  signed_in_at: Date;
  last_seen_at: Date | null;
  ip: string | null;
  user_agent: string | null;
  place: string | null;
  /** When it ends by itself, if nobody uses it until then. */
  expires_at: Date;
};

/** Where a person is signed in, the browser used last first. */
export async function listSignIns(db: Db, userId: string): Promise<SignIn[]> {
  const { rows } = await db.raw<{ rows: SignIn[] }>(
    `SELECT * FROM (
       SELECT DISTINCT ON (s.uid) s.uid, coalesce(i.amr, '[]') AS amr,
         coalesce(i.signed_in_at, to_timestamp((s.payload->>'loginTs')::bigint)) AS signed_in_at,
         i.last_seen_at, i.ip, i.user_agent, i.place, s.expires_at
       FROM oidc_sessions s LEFT JOIN sign_ins i ON i.session_uid = s.uid
       WHERE s.account_id = ? AND s.expires_at > now()
       ORDER BY s.uid, s.expires_at DESC) living
     ORDER BY last_seen_at DESC NULLS LAST, uid`,
    [userId],
  );
  return rows;
}

/** The uids of a person's sessions, also of those that ended a short while ago. */
export async function listSessionUids(db: Db, userId: string): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { uid: string }[] }>(
    `SELECT session_uid AS uid FROM sign_ins WHERE user_id = :userId
     UNION SELECT uid FROM oidc_sessions WHERE account_id = :userId`,
    { userId },
  );
  return rows.map(({ uid }) => uid);
}
