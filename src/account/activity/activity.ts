import { listUserEvents, type StoredEvent } from '../../audit/store.ts';
import { findClientNames } from '../../clients/store.ts';
import { describeDevice } from '../../devices/describe-device.ts';
import { findOrganizationNames } from '../../organizations/activity/store.ts';
import { momentFormat } from '../../users/moments.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import { activityDownloads, whoDid } from './download.ts';
import { linkTo, periodOf, readEventPage, readEventQuery } from './event-page.ts';

/** What a person can look for, and the first parts of the types of event that it stands for. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  sign_in: ['sign_in', 'session'],
  profile: ['user', 'profile', 'email', 'phone', 'mail', 'sms', 'setup'],
  password: ['password', 'code'],
  factors: ['factor', 'recovery_codes', 'recovery_code', 'passkey', 'device', 'mfa'],
  apps: ['consent', 'grant', 'refresh_token'],
  organizations: ['organization', 'member', 'invitation', 'role', 'domain', 'activity'],
};

/** What happened with a person's account. */
export function activityPages(account: Account, parts: AccountParts): void {
  activityDownloads(account, parts);
  account.page('/activity', {}, async (visit) => {
    const { ctx, user } = visit;
    const query = readEventQuery(ctx.query, user, KINDS);
    const subjects = query.kind === undefined ? undefined : KINDS[query.kind];
    const { events, newer, older } = await readEventPage(query, (page) =>
      listUserEvents(parts.deps.db, user.id, { ...page, ...periodOf(query, user), subjects }),
    );
    visit.show('account-activity', {
      kinds: Object.keys(KINDS),
      kind: query.kind,
      from: query.from,
      to: query.to,
      events: await describeEvents(parts, visit, events),
      newer: linkTo(query, newer),
      older: linkTo(query, older),
    });
  });
}

async function describeEvents(parts: AccountParts, { ctx, user }: Visit, events: StoredEvent[]) {
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const ids = events.flatMap(({ client_id }) => client_id ?? []);
  const names = await findClientNames(parts.deps.db, ids);
  const organizations = await findOrganizationNames(
    parts.deps.db,
    events.flatMap(({ organization_id: id }) => id ?? []),
  );
  return events.map((event) => ({
    type: event.type,
    word: event.type.replaceAll('.', '_'),
    at: say(event.at),
    ...describeDevice(event.user_agent),
    ip: event.ip,
    by: whoDid(event, user.id),
    organization: event.organization_id && organizations.get(event.organization_id),
    app:
      event.client_id === null || event.client_id === parts.clientId
        ? undefined
        : (names.get(event.client_id) ?? event.client_id),
  }));
}
