import { readFile, stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { type EncodedPicture, encodeLogo } from '../../account/profile/encode-picture.ts';
import type { Deps, Trx } from '../../deps.ts';
import { readColour } from '../../organizations/branding/accent.ts';
import { removeLogo, setAccent, setLogo } from '../../organizations/branding/change-branding.ts';
import type { Logo } from '../../organizations/branding/store.ts';
import type { Organization } from '../../organizations/store.ts';
import type { Session } from '../session.ts';

/** As for the page. */
const MAX_FILE = 5 * 1024 * 1024;

export type BrandingOptions = { accent?: string; logo?: string };

/** What options come to; null is none, undefined leaves it as it is. */
type Branding = { accent: string | null | undefined; logo: Logo | null | undefined };

/** Options of a command that changes what the pages of an organization look like. */
export function brandingOptions(command: Command): Command {
  return command
    .option('--accent <colour>', 'of its sign-in pages, such as #2451b2, or none', accent)
    .option('--logo <file>', 'of its sign-in pages, a PNG, JPEG or WebP, or none');
}

/** Reads what options name, before anything is held. @throws Error that says what is wrong with a file. */
export async function readBranding(
  { runtime }: Session,
  { accent, logo }: BrandingOptions,
): Promise<Branding> {
  return {
    accent: accent === 'none' ? null : accent,
    logo: logo === undefined ? undefined : await readLogo(runtime.deps, logo),
  };
}

/** Gives an organization, which is held, another look. @throws Error for a colour that can't be seen. */
export async function changeBranding(
  { origin }: Session,
  trx: Trx,
  organization: Organization,
  { accent, logo }: Branding,
): Promise<void> {
  if (accent !== undefined) {
    const result = await setAccent(trx, origin, organization, accent);
    if (!result.ok) {
      throw new Error(`--accent is too light for a button to be seen: ${result.nearest} isn't`);
    }
  }
  if (logo === null) await removeLogo(trx, origin, organization);
  else if (logo !== undefined) await setLogo(trx, origin, organization, logo);
}

async function readLogo({ randomBytes }: Pick<Deps, 'randomBytes'>, path: string) {
  if (path === 'none') return null;
  const encoded = await encodeLogo(await readSmallFile(path));
  if (!encoded.ok) throw new Error(`--logo ${path} ${PROBLEMS[encoded.reason]}`);
  return { id: randomBytes(16).toString('base64url'), content: encoded.content };
}

const PROBLEMS: Record<Extract<EncodedPicture, { ok: false }>['reason'], string> = {
  format: 'is no PNG, JPEG or WebP',
  dimensions: 'has too many pixels',
  shape: 'is more than 20 times as long as wide',
  unreadable: 'is damaged',
};

async function readSmallFile(path: string): Promise<Buffer> {
  try {
    if ((await stat(path)).size <= MAX_FILE) return await readFile(path);
  } catch (error) {
    throw new Error(`--logo ${path} can't be read: ${(error as { code?: string }).code}`);
  }
  throw new Error(`--logo ${path} is larger than 5 MB`);
}

function accent(text: string): string {
  const colour = text === 'none' ? text : readColour(text);
  if (colour !== undefined) return colour;
  throw new InvalidArgumentError(
    'It must be a colour of three or six hexadecimal digits, or none.',
  );
}
