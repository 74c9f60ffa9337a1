import Bowser from 'bowser';

/** Browser and system that a User-Agent header names, as far as it does. */
export function describeDevice(userAgent: string | null | undefined): {
  browser: string | undefined;
  system: string | undefined;
} {
  if (!userAgent) return { browser: undefined, system: undefined };
  const { browser, os } = Bowser.parse(userAgent);
  return { browser: browser.name || undefined, system: os.name || undefined };
}

/** The same on one line, such as "Firefox, Windows"; empty for what can't be told. */
export function deviceName(userAgent: string | null | undefined): string {
  const { browser, system } = describeDevice(userAgent);
  return [browser, system].filter(Boolean).join(', ');
}
