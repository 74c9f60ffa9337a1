import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflate } from '@sparticuz/chromium';
import { type Browser, chromium, type Page } from 'playwright-core';

const PACKAGE = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '..');
/** The source of axe. */
export const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
/** WCAG 2.2 AA and below, and what axe's authors hold to be good practice. */
const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** A rule of axe that the page breaks, and the elements that break it. */
export type Violation = { id: string; nodes: string[] };

/** The colour schemes and widths that every page has to look right in. */
export const SCHEMES = ['light', 'dark'] as const;
const WIDTHS = [360, 1280] as const;

/**
 * Starts headless Chromium from the npm package: no download, no libraries of the machine beyond
 * libc. The sandbox is off because CI runs as root and pages come from our own tests only.
 *
 * @param flags more of Chromium's own
 */
export async function launchBrowser(flags: readonly string[] = []): Promise<Browser> {
  const home = await unpack();
  return chromium.launch({
    executablePath: join(home, 'chromium'),
    args: ['--no-sandbox', '--no-zygote', '--disable-gpu', '--font-render-hinting=none', ...flags],
    env: {
      ...process.env,
      HOME: home,
      // The package's own copies of nss and expat, for machines that have none.
      LD_LIBRARY_PATH: [join(home, 'al2023/lib'), process.env.LD_LIBRARY_PATH]
        .filter(Boolean)
        .join(':'),
      FONTCONFIG_FILE: join(home, 'fonts.conf'),
    },
  });
}

/**
 * What axe has against the page as it stands. Where axe isn't there yet it is evaluated, not loaded,
 * so our CSP does not matter.
 */
export async function axeViolations(page: Page): Promise<Violation[]> {
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(`${AXE}; undefined`);
  const result = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
    `axe.run(document, { runOnly: ${JSON.stringify(AXE_TAGS)}, resultTypes: ['violations'] })`,
  );
  return result.violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) }));
}

/**
 * Saves `<name>-<scheme>-<width>.png` for both schemes at phone and desktop width.
 * @param open leads the page to what is to be seen
 */
export async function screenshotMatrix(
  browser: Browser,
  open: (page: Page) => Promise<unknown>,
  outDir: string,
  name: string,
): Promise<void> {
  await mkdir(outDir, { recursive: true });
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
      await open(page);
      await page.screenshot({
        path: join(outDir, `${name}-${colorScheme}-${width}.png`),
        fullPage: true,
      });
      await page.close();
    }
  }
}

/**
 * Unpacks the browser once per installation. Each worker that finds none unpacks into a folder of
 * its own and renames it into place, so nobody ever starts a half-written binary.
 */
async function unpack(): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const cache = join(PACKAGE, '../../.cache');
  const home = join(cache, `chromium-${version}-${process.arch}`);
  if (existsSync(home)) return home;

  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'chromium-draft-'));
  try {
    await Promise.all(inflateInto(draft));
    await writeFile(join(draft, 'fonts.conf'), fontConfig(home));
    await rename(draft, home);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(home)) throw error;
  }
  return home;
}

/**
 * The package's font for everything Latin, so that text is as wide on every machine; the machine's
 * own fonts, if there are any, for other scripts.
 */
function fontConfig(home: string): string {
  const prefer = (family: string) =>
    `<alias binding="strong"><family>${family}</family><prefer><family>Open Sans</family></prefer></alias>`;
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>${home}/fonts/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${home}/font-cache</cachedir>
${prefer('system-ui')}${prefer('sans-serif')}</fontconfig>`;
}

/** The package unpacks below the temporary folder it sees when called, so it is shown ours. */
function inflateInto(dir: string): Promise<string>[] {
  const { TMPDIR } = process.env;
  process.env.TMPDIR = dir;
  try {
    return ['chromium.br', 'fonts.tar.br', 'al2023.tar.br'].map((file) =>
      inflate(join(PACKAGE, 'bin', file)),
    );
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
}
