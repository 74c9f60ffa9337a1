import { createHash } from 'node:crypto';
import { accentColours, type SchemeColours } from './accent.ts';

/** A stylesheet that sets an organization's colours, and what its address says of its content. */
export type Stylesheet = { text: string; version: string };

/** The stylesheet of an accent colour; undefined for one that can't be an accent. */
export function stylesheetOf(accent: string): Stylesheet | undefined {
  const colours = accentColours(accent);
  if (colours === undefined) return undefined;
  const text = `.branded{${tokens(colours.light)}}
@media screen and (prefers-color-scheme:dark){.branded{${tokens(colours.dark)}}}
`;
  return { text, version: createHash('sha256').update(text).digest('hex').slice(0, 12) };
}

function tokens({ accent, hover, onAccent, link }: SchemeColours): string {
  return `--accent:${accent};--accent-hover:${hover};--on-accent:${onAccent};--link:${link}`;
}
