import type { User } from './store.ts';

/**
 * Says moments in a language and in the person's own time zone. Who has none set reads UTC, and
 * reads that it is.
 */
export function momentFormat(
  lang: string,
  { zoneinfo }: Pick<User, 'zoneinfo'>,
): (moment: Date) => string {
  const timeZone = zoneOf(zoneinfo);
  const format = new Intl.DateTimeFormat(lang, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZone: timeZone ?? 'UTC',
    ...(timeZone === undefined ? { timeZoneName: 'short' } : {}),
  });
  return (moment) => format.format(moment);
}

/**
 * The moment at which a day begins where the person is.
 *
 * @param day as HTML forms write it: 2026-11-24.
 */
export function startOfDay(day: string, { zoneinfo }: Pick<User, 'zoneinfo'>): Date | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) return undefined;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnight) || midnight < 0) return undefined;
  const timeZone = zoneOf(zoneinfo) ?? 'UTC';
  // Twice, because the difference to UTC there may not be the one that it was at midnight UTC.
  const guess = midnight - offsetAt(new Date(midnight), timeZone);
  return new Date(midnight - offsetAt(new Date(guess), timeZone));
}

/** Milliseconds that clocks of the zone are ahead of UTC. */
function offsetAt(moment: Date, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(moment);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  const there = Date.UTC(
    of('year'),
    of('month') - 1,
    of('day'),
    of('hour'),
    of('minute'),
    of('second'),
  );
  return there - moment.getTime();
}

/** Administrators and imports can have written anything. */
function zoneOf(zoneinfo: string | null): string | undefined {
  try {
    return zoneinfo === null
      ? undefined
      : new Intl.DateTimeFormat('en', { timeZone: zoneinfo }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
