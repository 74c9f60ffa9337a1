import type { Upload } from '../../../http/upload.ts';
import { removeLogo, setAccent, setLogo } from '../../../organizations/branding/change-branding.ts';
import { findBranding } from '../../../organizations/branding/find-branding.ts';
import type { AccountParts } from '../../account.ts';
import { encodeLogo } from '../../profile/encode-picture.ts';
import { unknownField } from '../../unknown-fields.ts';
import {
  changeOrganization,
  type OrganizationAction,
  type OrganizationPages,
  type OrganizationVisit,
} from '../organization-pages.ts';
import { DEFAULT_ACCENT, readAccent } from './read-accent.ts';

/** Bytes of a form with a logo. */
const MAX_UPLOAD = 5 * 1024 * 1024;

/** Characters of a wrong colour that are shown again. */
const MAX_TYPED = 40;

const PAGE = '/branding';
const NEEDS = 'organization:update';

type Problem = { form: 'logo' | 'accent'; key: string; vars?: Record<string, string> };

/** What the colour form shows in place of the organization's own, and of what was typed. */
type Shown = { accent?: string; typed?: string | undefined };

/** Where an organization gives the pages that its people sign in at its logo and colour. */
export function brandingPages(pages: OrganizationPages, parts: AccountParts): void {
  pages.page(PAGE, NEEDS, (visit) => show(parts, visit));
  pages.action(`${PAGE}/accent`, NEEDS, changeAccent(parts), { back: PAGE });
  pages.upload(`${PAGE}/logo`, NEEDS, changeLogo(parts), { limit: MAX_UPLOAD, back: PAGE });
  const remove: OrganizationAction = async (visit) => {
    await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
      removeLogo(trx, visit.origin, organization),
    );
    return `${PAGE}?done=organization_logo_removed`;
  };
  pages.action(`${PAGE}/logo/remove`, NEEDS, remove, { back: PAGE });
}

const changeAccent =
  (parts: AccountParts): OrganizationAction =>
  async (visit, form) => {
    const refuse = (key: string, shown: Shown, vars = {}) =>
      show(parts, visit, { form: 'accent', key, vars }, shown);
    const unknown = unknownField(form, ['accent', 'picked', 'shown']);
    if (unknown !== undefined) return refuse('unknown_field', {}, { field: unknown });
    const accent = readAccent(form);
    if (accent === undefined) return refuse('not_a_colour', { typed: form.accent });
    const changed = await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
      setAccent(trx, visit.origin, organization, accent),
    );
    if (changed.ok) return `${PAGE}?done=organization_accent`;
    const { nearest } = changed;
    return refuse('too_light', { accent: nearest }, { accent: accent ?? '', nearest });
  };

const changeLogo =
  (parts: AccountParts) =>
  async (visit: OrganizationVisit, upload: Upload | undefined): Promise<string | undefined> => {
    const refuse = (key: string, vars = {}) => show(parts, visit, { form: 'logo', key, vars });
    if (upload === undefined) return refuse('too_large');
    const { fields, files } = upload;
    const unknown = unknownField({ ...fields, ...files }, ['logo']);
    if (unknown !== undefined) return refuse('unknown_field', { field: unknown });
    const file = files.logo ?? Buffer.alloc(0);
    if (file.length === 0) return refuse('missing');
    const encoded = await encodeLogo(file);
    if (!encoded.ok) return refuse(encoded.reason);
    const id = parts.deps.randomBytes(16).toString('base64url');
    await changeOrganization(parts, visit, NEEDS, (trx, organization) =>
      setLogo(trx, visit.origin, organization, { id, content: encoded.content }),
    );
    return `${PAGE}?done=organization_logo`;
  };

async function show(
  parts: AccountParts,
  visit: OrganizationVisit,
  error?: Problem,
  shown: Shown = {},
): Promise<undefined> {
  const { organization } = visit;
  const accent = shown.accent ?? organization.accent ?? '';
  const status = error === undefined ? 200 : error.key === 'too_large' ? 413 : 422;
  visit.show(
    'organization-branding',
    {
      error,
      branding: await findBranding(parts.deps.db, organization.id),
      accent,
      typed: shown.typed?.slice(0, MAX_TYPED) ?? accent,
      picked: accent || DEFAULT_ACCENT,
    },
    status,
  );
}
