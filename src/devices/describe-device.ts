import Bowser from 'bowser';

const BROWSERS = new Set<string>(Object.values(Bowser.BROWSER_MAP));
const SYSTEMS = new Set<string>(Object.values(Bowser.OS_MAP));

/** Browser and system that a User-Agent header names, as far as it does. */
export function describeDevice(userAgent: string | null | undefined): {
  browser: string | undefined;
  system: string | undefined;
} {
  if (!userAgent) return { browser: undefined, system: undefined };
  const { browser, os } = Bowser.parse(userAgent);
  return { browser: nameIn(BROWSERS, browser.name), system: nameIn(SYSTEMS, os.name) };
}

/** Of others the header's own words would be told, in mails too, and anybody can send any. */
function nameIn(known: ReadonlySet<string>, name: string | undefined): string | undefined {
  return name !== undefined && known.has(name) ? name : undefined;
}

/** The same on one line, such as "Firefox, Windows"; empty for what can't be told. */
export function deviceName(userAgent: string | null | undefined): string {
  const { browser, system } = describeDevice(userAgent);
  return [browser, system].filter(Boolean).join(', ');
}
