import { record } from '../../../audit/record.ts';
import { listOrganizationEvents } from '../../../audit/store.ts';
import { transaction } from '../../../db/pool.ts';
import { describeDevice } from '../../../devices/describe-device.ts';
import {
  type Described,
  describeActivity,
} from '../../../organizations/activity/describe-activity.ts';
import { KINDS } from '../../../organizations/activity/kinds.ts';
import { allActivity, resolveSearch } from '../../../organizations/activity/search-activity.ts';
import { canonicalIdentifier, MAX_IDENTIFIER } from '../../../users/identifiers.ts';
import { momentFormat } from '../../../users/moments.ts';
import type { AccountParts } from '../../account.ts';
import { sendFile } from '../../activity/download.ts';
import {
  type EventQuery,
  linkTo,
  parameter,
  periodOf,
  readEventPage,
  readEventQuery,
} from '../../activity/event-page.ts';
import { unknownField } from '../../unknown-fields.ts';
import type { OrganizationPages, OrganizationVisit } from '../organization-pages.ts';
import { csvOf, jsonLinesOf } from './files.ts';

const PAGE = '/activity';
const NEEDS = 'activity:read';
const FILTERS = ['kind', 'person', 'from', 'to'];

type Query = EventQuery & { person: string | undefined };

/** What happened in an organization and who did it. */
export function activityPages(pages: OrganizationPages, parts: AccountParts): void {
  const { db } = parts.deps;
  pages.page(PAGE, NEEDS, (visit) => show(parts, visit));
  // A form, because who has to sign in first comes back to a page, and not to a file.
  pages.action(
    `${PAGE}/download`,
    NEEDS,
    async (visit, form) => {
      const field = unknownField(form, ['format', ...FILTERS]);
      if (field !== undefined) return show(parts, visit, { key: 'unknown_field', field });
      const { before: _, after: __, ...query } = queryOf(visit, form);
      const format = form.format === 'jsonl' ? 'jsonl' : 'csv';
      return `${PAGE}/download${linkTo(query, { format })}`;
    },
    { back: PAGE },
  );
  pages.page(`${PAGE}/download`, NEEDS, async (visit) => {
    const { ctx, origin, organization, about } = visit;
    const filter = await filterOf(parts, visit, queryOf(visit, ctx.query));
    await transaction(db, (trx) => record(trx, origin, { type: 'activity.exported', ...about }));
    const events = allActivity(db, organization.id, filter);
    if (ctx.query.format === 'jsonl') sendFile(visit, 'activity.jsonl', jsonLinesOf(events));
    else sendFile(visit, 'activity.csv', csvOf(events));
  });
}

function queryOf({ user }: OrganizationVisit, params: Readonly<Record<string, unknown>>): Query {
  const person = parameter(params, 'person')
    .trim()
    .slice(0, MAX_IDENTIFIER + 1);
  return { ...readEventQuery(params, user, KINDS), person: person === '' ? undefined : person };
}

function filterOf(parts: AccountParts, { user }: OrganizationVisit, query: Query) {
  const { kind, person } = query;
  const named = person === undefined ? undefined : canonicalIdentifier(person);
  const search = { kind, person: named, ...periodOf(query, user) };
  return resolveSearch(parts.deps.db, search);
}

async function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  error?: { key: string; field: string },
): Promise<undefined> {
  const { db } = parts.deps;
  const { ctx, organization } = visit;
  const query = queryOf(visit, ctx.query);
  const filter = await filterOf(parts, visit, query);
  const { events, newer, older } = await readEventPage(query, (page) =>
    listOrganizationEvents(db, organization.id, { ...filter, ...page }),
  );
  const described = await describeActivity(db, organization.id, events);
  const { kind, person, from, to } = query;
  visit.show(
    'organization-activity',
    {
      error,
      ...{ kinds: Object.keys(KINDS), kind, person, from, to },
      filtered: [kind, person, from, to].some((one) => one !== undefined),
      events: described.map((event) => rowOf(parts, visit, event)),
      newer: linkTo(query, newer),
      older: linkTo(query, older),
    },
    error === undefined ? 200 : 422,
  );
}

/** What is said of an event beside who and when. */
const FACTS = ['name', 'key', 'roles', 'added', 'removed', 'fields'];

function rowOf(parts: AccountParts, { ctx, user }: OrganizationVisit, event: Described) {
  const { type, by, about, app, ip, userAgent, data } = event;
  const facts = FACTS.flatMap((name) => {
    const values = [data[name]].flat().filter((value) => typeof value === 'string');
    return values.length > 0 ? [{ name, values }] : [];
  });
  return {
    ...{ type, word: type.replaceAll('.', '_'), by, about, ip, facts },
    at: momentFormat(parts.renderer.localeOf(ctx), user)(event.at),
    app: app?.id === parts.clientId ? undefined : app && (app.name ?? app.id),
    ...describeDevice(userAgent),
  };
}
