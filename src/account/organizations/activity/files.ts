import { describeDevice } from '../../../devices/describe-device.ts';
import type { Described, Party } from '../../../organizations/activity/describe-activity.ts';
import { csvLine } from '../../activity/csv.ts';

const COLUMNS = [
  ...['id', 'time', 'type', 'by', 'by_id', 'about', 'about_id', 'app', 'app_id'],
  ...['ip', 'browser', 'system', 'data'],
];

/** Events as a CSV file in pieces, none of whose cells is a formula. */
export async function* csvOf(events: AsyncIterable<Described>): AsyncGenerator<string> {
  yield csvLine(COLUMNS);
  for await (const { id, at, type, by, about, app, ip, userAgent, data } of events) {
    const { browser, system } = describeDevice(userAgent);
    const parties = [textOf(by), idOf(by), about && textOf(about), about && idOf(about)];
    const where = [app?.name, app?.id, ip, browser, system];
    yield csvLine([id, at.toISOString(), type, ...parties, ...where, JSON.stringify(data)]);
  }
}

/** Events as lines of JSON (jsonlines.org), each an event of its own. */
export async function* jsonLinesOf(events: AsyncIterable<Described>): AsyncGenerator<string> {
  for await (const { at, ...event } of events) {
    yield `${JSON.stringify({ ...event, at: at.toISOString() })}\n`;
  }
}

function textOf(party: Party): string {
  if (party.kind === 'person') return party.address ?? party.name ?? party.id;
  return 'name' in party && party.name !== null ? party.name : party.kind;
}

function idOf(party: Party): string | undefined {
  return 'id' in party ? party.id : undefined;
}
