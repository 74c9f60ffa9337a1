import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { type Organization, updateOrganization } from '../store.ts';
import { accentColours, nearestAccent } from './accent.ts';
import { deleteLogo, findLogoOf, type Logo, replaceLogo } from './store.ts';

/** Gives an organization that is held this logo; the same file sent twice is one change. */
export async function setLogo(
  trx: Trx,
  origin: Origin,
  { id }: Organization,
  logo: Logo,
): Promise<void> {
  const before = await findLogoOf(trx, id);
  if (before?.content.equals(logo.content)) return;
  await replaceLogo(trx, id, logo);
  await recordChange(trx, origin, id, 'logo');
}

/** Takes the logo of an organization that is held away. */
export async function removeLogo(trx: Trx, origin: Origin, { id }: Organization): Promise<void> {
  if (await deleteLogo(trx, id)) await recordChange(trx, origin, id, 'logo');
}

export type AccentResult =
  | { ok: true }
  /** It can't be told from the card; `nearest` can. */
  | { ok: false; reason: 'accent_too_light'; nearest: string };

/**
 * Gives an organization that is held this accent colour, or with null the installation's.
 *
 * @param accent `#rrggbb` in lower case.
 */
export async function setAccent(
  trx: Trx,
  origin: Origin,
  organization: Organization,
  accent: string | null,
): Promise<AccentResult> {
  if (accent !== null && accentColours(accent) === undefined) {
    return { ok: false, reason: 'accent_too_light', nearest: nearestAccent(accent) };
  }
  if (accent === organization.accent) return { ok: true };
  await updateOrganization(trx, organization.id, { accent });
  await recordChange(trx, origin, organization.id, 'accent');
  return { ok: true };
}

async function recordChange(
  trx: Trx,
  origin: Origin,
  organizationId: string,
  field: 'logo' | 'accent',
): Promise<void> {
  const data = { fields: [field] };
  await record(trx, origin, { type: 'organization.updated', organizationId, data });
}
