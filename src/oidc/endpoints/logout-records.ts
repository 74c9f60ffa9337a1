import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import { originOf } from '../../http/request-meta.ts';
import { endGrants, markSessionEnded } from '../../oidc-state/end.ts';
import { forgetClient } from '../../oidc-state/sessions.ts';
import { otherSessionGrants } from '../organization/session-grants.ts';

/** Records sessions that the library ended because an app asked to (RP-Initiated Logout §2). */
export function logoutRecords(db: Db): Middleware {
  return async (ctx, next) => {
    await next();
    const { oidc } = ctx as unknown as KoaContextWithOIDC;
    const session = oidc?.session as {
      uid: string;
      accountId?: string;
      destroyed?: true;
      authorizations?: Record<string, object>;
    };
    if (oidc?.route !== 'end_session_confirm' || session === undefined) return;
    const client = oidc.entities.Client?.clientId;
    if (!session.destroyed) {
      // The person stays signed in, but not to this app: in no organization.
      if (client === undefined) return;
      await transaction(db, async (trx) => {
        await forgetClient(trx, session.uid, client);
        await endGrants(trx, otherSessionGrants(session, client));
      });
      return;
    }
    const { uid, accountId: userId } = session;
    if (userId === undefined) return;
    const origin = originOf(ctx as Context, `user:${userId}`);
    await transaction(db, async (trx) => {
      // Of the same form sent twice at once, one is told of.
      if (!(await markSessionEnded(trx, uid))) return;
      const app = client === undefined ? {} : { clientId: client };
      await record(trx, origin, { type: 'session.ended', userId, ...app });
    });
  };
}
