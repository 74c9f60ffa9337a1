import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { findBranding } from '../../src/organizations/branding/find-branding.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { updateOrganization } from '../../src/organizations/store.ts';
import { twoHalves } from '../account/images.ts';
import type { Page } from '../support/visitor.ts';
import { openAccount, type Scene, type Stage, sceneOf, send } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

const AT = '/account/organizations/:organization';
let count = 0;

/** A form of somebody's own organization; files of its page are found by its slug. */
const inOrganization =
  (page: string, suffix: string, typed: Record<string, string> = {}) =>
  async (stage: Stage): Promise<Scene & { slug: string }> => {
    const person = await stage.person();
    count += 1;
    const slug = `harbour-${count}`;
    await transaction(stage.runtime.deps.db, async (trx) => {
      const made = await createOrganization(trx, SYSTEM, {
        ...{ name: 'Harbour', slug, ownerId: person.user.id },
      });
      if (!made.ok) throw new Error(made.reason);
      await updateOrganization(trx, made.organization.id, { accent: '#aa0000' });
    });
    const where = `/account/organizations/${slug}${page}`;
    const opened = await openAccount(stage, person, where);
    return { ...sceneOf(opened.visitor, opened.page, suffix, typed), person, slug };
  };

const atLogo = async (stage: Stage): Promise<Scene & { slug: string }> => ({
  ...(await inOrganization('/branding', '/branding/logo')(stage)),
  files: { logo: await twoHalves(30, 20).png() },
});

const atLogoRemoval: Setter = async (stage) => {
  const { files: _, ...upload } = await atLogo(stage);
  await send({ ...upload, files: { logo: await twoHalves(30, 20).png() } });
  const page = await upload.visitor.open(upload.action.replace(/\/logo$/, ''));
  const form = sceneOf(upload.visitor, page, '/logo/remove');
  return upload.person === undefined ? form : { ...form, person: upload.person };
};

/** Forms of an organization's appearance and activity, by the path of their route. */
export const BRANDING_FORMS: Readonly<Record<string, Setter>> = {
  [`${AT}/branding/accent`]: inOrganization('/branding', '/branding/accent', {
    ...{ accent: '#0b6e4f', picked: '#aa0000' },
  }),
  [`${AT}/branding/logo`]: atLogo,
  [`${AT}/branding/logo/remove`]: atLogoRemoval,
  [`${AT}/activity/download`]: inOrganization('/activity', '/download', { format: 'csv' }),
};

/** The file that an organization's sign-in pages link to. */
const worn = (what: 'logo' | 'css') => async (stage: Stage) => {
  const scene = await atLogo(stage);
  await send(scene);
  const branding = await findBranding(stage.runtime.deps.db, scene.slug);
  return scene.visitor.open(`${stage.issuer}${branding?.[what]}`);
};

/** The same of pages and files. */
export const BRANDING_PAGES: Readonly<Record<string, (stage: Stage) => Promise<Page>>> = {
  [`${AT}/branding`]: async (stage) => {
    const { visitor, action } = await atLogo(stage);
    return visitor.open(action.replace(/\/logo$/, ''));
  },
  [`${AT}/activity`]: async (stage) => {
    const { visitor, action } = await inOrganization('/activity', '/download')(stage);
    return visitor.open(action.replace(/\/download$/, ''));
  },
  [`${AT}/activity/download`]: async (stage) => {
    const { visitor, action } = await inOrganization('/activity', '/download')(stage);
    return visitor.open(action);
  },
  '/logos/:name': worn('logo'),
  '/branding/:organization/:name': worn('css'),
};
