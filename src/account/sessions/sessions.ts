import { transaction } from '../../db/pool.ts';
import { describeDevice } from '../../devices/describe-device.ts';
import { AppError } from '../../errors.ts';
import { listSessionUids, listSignIns } from '../../oidc-state/sign-ins.ts';
import { momentFormat } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { endSessions, sessionName } from './end-sessions.ts';

/** Where a person is signed in; any of it they can end. */
export function sessionPages(account: Account, parts: AccountParts): void {
  account.page('/sessions', {}, async (visit) => {
    visit.show('account-sessions', { sessions: await describeSessions(parts, visit) });
  });
  account.action('/sessions', {}, async (visit, form) => {
    const { session: here, user, origin } = visit;
    const asked = form.session ?? '';
    // Sessions that ended a moment ago are among them: the same form may be sent twice.
    const own = (await listSessionUids(parts.deps.db, user.id)).filter((uid) => uid !== here.uid);
    const ending = asked === 'others' ? own : own.filter((uid) => sessionName(uid) === asked);
    if (asked !== 'others' && ending.length === 0) throw new AppError('not_found');
    await transaction(parts.deps.db, (trx) => endSessions(trx, origin, user.id, ending));
    return asked === 'others' ? '/sessions?done=sessions' : '/sessions?done=session';
  });
}

async function describeSessions(parts: AccountParts, { ctx, user, session: here }: Visit) {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const all = await listSignIns(parts.deps.db, user.id);
  const described = all.map((one) => ({
    id: sessionName(one.uid),
    here: one.uid === here.uid,
    ...describeDevice(one.user_agent),
    place: one.place,
    ip: one.ip,
    lastSeen: one.last_seen_at && say(one.last_seen_at),
    signedIn: say(one.signed_in_at),
  }));
  return described.sort((a, b) => Number(b.here) - Number(a.here));
}
