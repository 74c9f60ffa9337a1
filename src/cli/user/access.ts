import type { Command } from 'commander';
import { revokeApp } from '../../account/apps/revoke-app.ts';
import { endSessions, sessionName } from '../../account/sessions/end-sessions.ts';
import { record } from '../../audit/record.ts';
import { findClient } from '../../clients/store.ts';
import { transaction } from '../../db/pool.ts';
import { deviceName } from '../../devices/describe-device.ts';
import { ACCOUNT_CLIENT_ID } from '../../oidc/browser/account-client.ts';
import { listConnectedClients } from '../../oidc-state/connected-clients.ts';
import { endUserState } from '../../oidc-state/end.ts';
import { listSignIns } from '../../oidc-state/sign-ins.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { listAnswer } from '../terminal/paging.ts';
import { getUser, nameOf, WHO } from './named-user.ts';

/** `plinto user sessions`, `end-session`, `apps` and `revoke-app`: who may do what as this user. */
export function accessCommands(group: Command): void {
  group
    .command('sessions')
    .description('list where a user is signed in')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(sessions));
  group
    .command('end-session')
    .description('end a session of a user, or whatever they are signed in to')
    .argument('<user>', WHO)
    .argument('[session]', 'id, as `sessions` lists it')
    .option('--all', 'every session, and what apps may do without one', false)
    .option('--json', 'print JSON')
    .action(onDatabase(end));
  group
    .command('apps')
    .description('list the apps that may see or do something for a user')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(apps));
  group
    .command('revoke-app')
    .description('take back what an app may see or do for a user')
    .argument('<user>', WHO)
    .argument('<client>', 'client id, as `apps` lists it')
    .option('--json', 'print JSON')
    .action(onDatabase(revoke));
}

async function sessions({ db }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  const items = (await listSignIns(db, user.id)).map((one) => ({
    id: sessionName(one.uid),
    device: deviceName(one.user_agent) || null,
    place: one.place,
    ip: one.ip,
    signed_in: one.signed_in_at,
    last_seen: one.last_seen_at,
    amr: one.amr,
    user_agent: one.user_agent,
    expires_at: one.expires_at,
  }));
  const columns = ['id', 'device', 'place', 'ip', 'signed_in', 'last_seen'];
  return listAnswer({ items, next: null }, columns, `${nameOf(user)} is not signed in anywhere.`);
}

async function end(
  { db, origin }: Session,
  who: string,
  id: string | undefined,
  { all }: { all: boolean },
): Promise<Answer> {
  if (all === (id !== undefined)) {
    throw new Error('name one session, as `plinto user sessions` lists it, or say --all');
  }
  const user = await getUser(db, who);
  const living = (await listSignIns(db, user.id)).map(({ uid }) => uid);
  if (all) {
    await transaction(db, async (trx) => {
      await endUserState(trx, user.id);
      await record(trx, origin, {
        type: 'session.ended',
        userId: user.id,
        data: { everything: true },
      });
    });
    return ended(user.id, living.length, `${nameOf(user)} is signed out everywhere.`);
  }
  const named = living.filter((uid) => sessionName(uid) === id);
  if (named.length === 0) {
    throw new Error(`${nameOf(user)} has no session ${id}: \`plinto user sessions\` lists them`);
  }
  const count = await transaction(db, (trx) => endSessions(trx, origin, user.id, named));
  return ended(user.id, count, `Ended a session of ${nameOf(user)}.`);
}

function ended(id: string, count: number, line: string): Answer {
  return { value: { id, ended: count }, lines: [line] };
}

async function apps({ db }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  const connected = (await listConnectedClients(db, user.id)).filter(
    ({ clientId }) => clientId !== ACCOUNT_CLIENT_ID,
  );
  const items = await Promise.all(
    connected.map(async ({ clientId, since, lastUsed, ...allowed }) => ({
      client: clientId,
      name: (await findClient(db, clientId))?.name ?? null,
      since,
      last_used: lastUsed ?? null,
      ...allowed,
    })),
  );
  const columns = ['client', 'name', 'scopes', 'since', 'last_used'];
  return listAnswer({ items, next: null }, columns, `No app is connected to ${nameOf(user)}.`);
}

async function revoke({ db, origin }: Session, who: string, clientId: string): Promise<Answer> {
  const user = await getUser(db, who);
  if (!(await transaction(db, (trx) => revokeApp(trx, origin, user.id, clientId)))) {
    throw new Error(
      `no app ${clientId} is connected to ${nameOf(user)}: \`plinto user apps\` lists them`,
    );
  }
  return {
    value: { id: user.id, client: clientId },
    lines: [`${clientId} may no longer see or do anything for ${nameOf(user)}.`],
  };
}
