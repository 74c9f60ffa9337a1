import { transaction } from '../../db/pool.ts';
import type { Trx } from '../../deps.ts';
import { AppError } from '../../errors.ts';
import type { PageName } from '../../http/render.ts';
import type { Upload } from '../../http/upload.ts';
import { unmetRule } from '../../mfa/policy.ts';
import { holds, type OwnPermission } from '../../organizations/permissions.ts';
import {
  findOrganizationFor,
  lockOrganizationFor,
  type OrganizationContext,
  type OrganizationFor,
} from '../../organizations/store.ts';
import {
  type Account,
  type AccountParts,
  type ActionOptions,
  type PageOptions,
  seeOther,
  type Visit,
} from '../account.ts';
import { signInUrl } from '../fresh.ts';

/** An organization that the visitor is an active member of. */
export type OwnOrganization = OrganizationFor & { context: OrganizationContext };

/** A request of a member to pages of their organization. */
export type OrganizationVisit = Visit & {
  organization: OwnOrganization;
  /** Where a path below the organization's own is, as {@link Account.pathOf} takes it. */
  at: (path: string) => string;
  /** Whether the member may do this. */
  can: (permission: OwnPermission) => boolean;
  /** The audit log's name of the change: who, from where, in which organization. */
  about: { organizationId: string };
};

/** What a page or form of an organization asks of whoever uses it; undefined: to be a member. */
type Needs = OwnPermission | undefined;

/** Gives the page below the organization's own to go to (303), or undefined when it has answered. */
export type OrganizationAction = (
  visit: OrganizationVisit,
  form: Record<string, string>,
) => Promise<string | undefined>;

/** Pages and forms below /account/organizations/:organization; `path` begins there. */
export type OrganizationPages = {
  page: (
    path: string,
    needs: Needs,
    handle: (visit: OrganizationVisit) => Promise<void>,
    options?: PageOptions,
  ) => void;
  action: (path: string, needs: Needs, handle: OrganizationAction, options?: ActionOptions) => void;
  upload: (
    path: string,
    needs: Needs,
    handle: (visit: OrganizationVisit, upload: Upload | undefined) => Promise<string | undefined>,
    options: ActionOptions & { limit: number },
  ) => void;
};

const PREFIX = '/organizations/:organization';

/**
 * Pages of an organization, for its members alone: to anybody else there is no such organization
 * (security 21). A member whose sign-in isn't worth what the organization asks is sent to sign in to it.
 */
export function createOrganizationPages(account: Account, parts: AccountParts): OrganizationPages {
  const enter = async (
    visit: Visit,
    needs: Needs,
    back: string,
    handle: (visit: OrganizationVisit) => Promise<string | undefined>,
  ): Promise<string | undefined> => {
    const inside = await admitMember(parts, visit, needs, back);
    const next = inside && (await handle(inside));
    return next === undefined ? undefined : inside?.at(next);
  };
  const backOf = ({ ctx }: Visit, { back }: ActionOptions = {}): string =>
    back === undefined ? ctx.path : `/account/organizations/${ctx.params.organization}${back}`;
  return {
    page: (path, needs, handle, options = {}) =>
      account.page(PREFIX + path, options, async (visit) => {
        const { path: here, search } = visit.ctx;
        await enter(visit, needs, here + search, async (inside) => {
          await handle(inside);
          return undefined;
        });
      }),
    action: (path, needs, handle, options = {}) =>
      account.action(PREFIX + path, withBack(options), async (visit, form) =>
        enter(visit, needs, backOf(visit, options), (inside) => handle(inside, form)),
      ),
    upload: (path, needs, handle, options) =>
      account.upload(PREFIX + path, withBack(options), async (visit, upload) =>
        enter(visit, needs, backOf(visit, options), (inside) => handle(inside, upload)),
      ),
  };
}

/** What the account pages come back to can't name the organization: its list will do. */
function withBack<Options extends ActionOptions>(options: Options): Options {
  return options.back === undefined ? options : { ...options, back: '/organizations' };
}

async function admitMember(
  parts: AccountParts,
  visit: Visit,
  needs: Needs,
  back: string,
): Promise<OrganizationVisit | undefined> {
  const { ctx, user, session } = visit;
  const found = await findOrganizationFor(parts.deps.db, String(ctx.params.organization), user.id);
  if (!found?.context) throw new AppError('not_found');
  const organization: OwnOrganization = { ...found, context: found.context };
  const { context } = organization;
  const now = Math.floor(parts.deps.now().getTime() / 1000);
  const signIn = { acr: session.acr, amr: session.amr, at: session.signedInAt };
  if (unmetRule(context, signIn, now) !== undefined) {
    seeOther(ctx, signInUrl(parts, back, { organization: found.id }));
    return undefined;
  }
  if (needs !== undefined && !holds(context, needs)) throw new AppError('forbidden');
  const at = (path: string): string => `/organizations/${found.slug}${path}`;
  const can = (permission: OwnPermission): boolean => holds(context, permission);
  return {
    ...visit,
    organization,
    at,
    can,
    about: { organizationId: found.id },
    show: (page: PageName, locals = {}, status = 200) =>
      visit.show(
        page,
        {
          organization,
          here: `${parts.basePath}/account${at('')}`,
          tabs: TABS.filter(([, , permission]) => permission === undefined || can(permission)),
          ...locals,
        },
        status,
      ),
  };
}

/** The pages that an organization's navigation lists: name, path, and who sees them. */
const TABS: readonly (readonly [page: PageName, path: string, needs: Needs])[] = [
  ['organization', '', undefined],
  ['organization-members', '/members', 'members:read'],
  ['organization-invitations', '/invitations', 'members:invite'],
  ['organization-roles', '/roles', 'roles:manage'],
  ['organization-domains', '/domains', 'domains:manage'],
  ['organization-policies', '/policies', 'policies:manage'],
  ['organization-branding', '/branding', 'organization:update'],
  ['organization-activity', '/activity', 'activity:read'],
];

/**
 * Changes an organization in a transaction that holds it, by what its member may do now: they may
 * have lost it since the page was asked for.
 *
 * @throws AppError not_found or forbidden.
 */
export async function changeOrganization<T>(
  { deps }: Pick<AccountParts, 'deps'>,
  { organization, user }: OrganizationVisit,
  needs: Needs,
  work: (trx: Trx, organization: OwnOrganization) => Promise<T>,
): Promise<T> {
  return transaction(deps.db, async (trx) => {
    const found = await lockOrganizationFor(trx, organization.id, user.id);
    if (!found?.context) throw new AppError('not_found');
    if (needs !== undefined && !holds(found.context, needs)) throw new AppError('forbidden');
    return work(trx, { ...found, context: found.context });
  });
}
