import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accentColours,
  contrast,
  nearestAccent,
  readColour,
} from '../../src/organizations/branding/accent.ts';
import { stylesheetOf } from '../../src/organizations/branding/stylesheet.ts';

const CSS = readFileSync('views/public/plinto.css', 'utf8');

/** The tokens of the stylesheet that every page has, of one scheme. */
function tokensOf(scheme: 'light' | 'dark'): Record<string, string> {
  const [light = '', dark = ''] = CSS.split('prefers-color-scheme: dark');
  const text = scheme === 'light' ? light : dark.slice(0, dark.indexOf('}'));
  const tokens = [...text.matchAll(/(--[\w-]+): (#[\da-f]+);/g)];
  return Object.fromEntries(
    tokens.map(([, name = '', value = '']) => [name, String(readColour(value))]),
  );
}

const colour = fc
  .integer({ min: 0, max: 0xffffff })
  .map((number) => `#${number.toString(16).padStart(6, '0')}`);

describe('contrast', () => {
  // Known values, as other tools give them.
  test.each([
    ['#000000', '#ffffff', 21],
    ['#ffffff', '#ffffff', 1],
    ['#777777', '#ffffff', 4.48],
    ['#767676', '#ffffff', 4.54],
    ['#ff0000', '#ffffff', 4.0],
    ['#0000ff', '#ffffff', 8.59],
    ['#ffff00', '#000000', 19.56],
  ])('of %s and %s is %d, either way round', (one, other, ratio) => {
    expect(contrast(one, other)).toBeCloseTo(ratio, 1);
    expect(contrast(other, one)).toBe(contrast(one, other));
  });
});

describe('a colour', () => {
  test.each([
    ['#2451B2', '#2451b2'],
    ['2451b2', '#2451b2'],
    [' #25b ', '#2255bb'],
    ['25B', '#2255bb'],
    ['', undefined],
    ['#', undefined],
    ['#2451b', undefined],
    ['#2451b2ff', undefined],
    ['rebeccapurple', undefined],
    ['#2451g2', undefined],
    ['#245\n1b2', undefined],
    ['red;}*{display:none', undefined],
    ['٢٤٥', undefined],
  ])('typed as %j is %s', (typed, read) => {
    expect(readColour(typed)).toBe(read);
  });
});

describe('an accent', () => {
  test('that is taken can be seen and read on, in both schemes', () => {
    fc.assert(
      fc.property(colour, (given) => {
        const colours = accentColours(given);
        fc.pre(colours !== undefined);
        expect(colours?.light.accent).toBe(given);
        for (const scheme of ['light', 'dark'] as const) {
          const tokens = tokensOf(scheme);
          const { accent, hover, onAccent, link } = colours?.[scheme] ?? ({} as never);
          for (const shown of [accent, hover]) {
            expect(contrast(shown, String(tokens['--card']))).toBeGreaterThanOrEqual(3);
            expect(contrast(shown, onAccent)).toBeGreaterThanOrEqual(4.5);
          }
          for (const surface of ['--card', '--canvas', '--tint']) {
            expect(contrast(link, String(tokens[surface]))).toBeGreaterThanOrEqual(4.5);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('that can’t do has a nearest one that can, and one that can do is its own', () => {
    fc.assert(
      fc.property(colour, (given) => {
        const nearest = nearestAccent(given);
        expect(accentColours(nearest)).toBeDefined();
        expect(nearest === given).toBe(accentColours(given) !== undefined);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['#ffcc00', '#b38f00'],
    ['#ffffff', '#949494'],
    ['#2451b2', '#2451b2'],
    ['#000000', '#000000'],
  ])('%s becomes %s', (given, nearest) => {
    expect(nearestAccent(given)).toBe(nearest);
  });

  test('is itself where pages are dark, if it can be seen there', () => {
    expect(accentColours('#0f9d58')?.dark.accent).toBe('#0f9d58');
    expect(accentColours('#1a237e')?.dark.accent).not.toBe('#1a237e');
  });

  test('has a stylesheet that sets colours and nothing else, with an address of its own', () => {
    fc.assert(
      fc.property(colour, colour, (one, other) => {
        fc.pre(accentColours(one) !== undefined && one !== other);
        const { text, version } = stylesheetOf(one) ?? { text: '', version: '' };
        const hex = '#[\\da-f]{6}';
        const rule = `\\.branded\\{--accent:${hex};--accent-hover:${hex};--on-accent:${hex};--link:${hex}\\}`;
        expect(text).toMatch(
          new RegExp(`^${rule}\n@media screen and \\(prefers-color-scheme:dark\\)\\{${rule}\\}\n$`),
        );
        expect(version).toMatch(/^[\da-f]{12}$/);
        expect(stylesheetOf(other)?.version).not.toBe(version);
      }),
      { numRuns: 100 },
    );
  });
});
