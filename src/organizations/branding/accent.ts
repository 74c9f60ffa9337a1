/** The colours of one scheme, as the stylesheet's tokens have them; `#rrggbb` in lower case. */
export type SchemeColours = {
  /** Of the main button and of the ring around what has the focus. */
  accent: string;
  hover: string;
  /** Of text on the accent. */
  onAccent: string;
  link: string;
};

/** What an accent colour comes to in both schemes. */
export type AccentColours = { light: SchemeColours; dark: SchemeColours };

/** Surfaces of views/public/plinto.css that accents are seen on: of the card, and behind links. */
const SURFACES = {
  light: { card: '#ffffff', behindLinks: ['#ffffff', '#f5f6f7', '#f0f1f3'] },
  dark: { card: '#17191e', behindLinks: ['#17191e', '#0f1114', '#22252c'] },
} as const;

const BLACK = '#000000';
const WHITE = '#ffffff';

/** Dark enough that each colour on which white can't be read is one on which this can. */
const NEAR_BLACK = '#050505';

/** Contrast of text (WCAG 2.2 §1.4.3), and of controls and the focus ring (§1.4.11). */
const TEXT = 4.5;
const CONTROL = 3;

/**
 * A colour as somebody types it, with or without `#`, of three digits or six; undefined for anything
 * else.
 */
export function readColour(text: string): string | undefined {
  const [, digits] = /^#?([\da-f]{6}|[\da-f]{3})$/.exec(text.trim().toLowerCase()) ?? [];
  if (digits === undefined) return undefined;
  return `#${digits.length === 6 ? digits : digits.replace(/./g, '$&$&')}`;
}

/** How much two colours differ, from 1 to 21 (WCAG 2.2, contrast ratio). */
export function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/**
 * What a colour comes to as accent: as it is where pages are light, lightened as far as it has to be
 * where they are dark, with text that can be read on it. Undefined for one that is too light to be told
 * from the card (WCAG 2.2 §1.4.11).
 *
 * @param colour `#rrggbb`.
 */
export function accentColours(colour: string): AccentColours | undefined {
  const { light, dark } = SURFACES;
  if (contrast(colour, light.card) < CONTROL) return undefined;
  const lightened = mixUntil(colour, WHITE, (c) => contrast(c, dark.card) >= CONTROL);
  return { light: schemeOf(colour, 'light'), dark: schemeOf(lightened, 'dark') };
}

/** The colour that comes nearest to one and can be an accent: darkened as far as it has to be. */
export function nearestAccent(colour: string): string {
  return mixUntil(colour, BLACK, (c) => contrast(c, SURFACES.light.card) >= CONTROL);
}

function schemeOf(accent: string, scheme: 'light' | 'dark'): SchemeColours {
  const { card, behindLinks } = SURFACES[scheme];
  const onAccent = contrast(accent, WHITE) >= TEXT ? WHITE : NEAR_BLACK;
  const away = onAccent === WHITE ? BLACK : WHITE;
  const hover = [away, onAccent]
    .map((target) => mix(accent, target, 0.15))
    .find((c) => contrast(c, onAccent) >= TEXT && contrast(c, card) >= CONTROL);
  const link = mixUntil(accent, scheme === 'light' ? BLACK : WHITE, (c) =>
    behindLinks.every((surface) => contrast(c, surface) >= TEXT),
  );
  return { accent, hover: hover ?? accent, onAccent, link };
}

/** Goes from one colour towards another, as far as it has to. */
function mixUntil(from: string, to: string, enough: (colour: string) => boolean): string {
  for (let step = 0; step < 100; step += 1) {
    const colour = mix(from, to, step / 100);
    if (enough(colour)) return colour;
  }
  return to;
}

function mix(from: string, to: string, share: number): string {
  const target = channels(to);
  const mixed = channels(from).map((one, i) => one + ((target[i] ?? 0) - one) * share);
  return `#${mixed.map((one) => Math.round(one).toString(16).padStart(2, '0')).join('')}`;
}

/** Relative luminance of an sRGB colour (WCAG 2.2, relative luminance). */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((eight) => {
    const part = eight / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channels(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}
