import type { Db } from '../../deps.ts';
import { type BrandingRow, findBrandingRow } from './store.ts';
import { stylesheetOf } from './stylesheet.ts';

/** What sign-in pages wear in place of the installation's own; addresses are paths below its base. */
export type Branding = { name: string; logo?: string; css?: string };

/** How pages of the organization with this slug or id look; undefined when there is none to sign in to. */
export async function findBranding(db: Db, organization: string): Promise<Branding | undefined> {
  const row = await findBrandingRow(db, organization);
  return row && brandingOf(row);
}

function brandingOf({ id, name, accent, logo }: BrandingRow): Branding {
  const stylesheet = accent === null ? undefined : stylesheetOf(accent);
  return {
    name,
    ...(logo === null ? {} : { logo: `/logos/${logo}.webp` }),
    ...(stylesheet && { css: `/branding/${id}/${stylesheet.version}.css` }),
  };
}
