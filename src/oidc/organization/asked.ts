import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Db } from '../../deps.ts';
import {
  ANY_ORGANIZATION,
  type ResolvedOrganization,
  resolveOrganization,
} from '../../organizations/resolve.ts';
import type { OrganizationContext } from '../../organizations/store.ts';
import { translated } from '../storage/database-errors.ts';
import type { OrganizationGrant } from './models.ts';

/** Longest name of an organization in a request. */
const MAX_LENGTH = 100;

/**
 * Checks the `organization` parameter: an id, a slug, or `*` for one that the person chooses. Clients
 * that need one ask for any where they name none.
 *
 * @throws InvalidRequest
 */
export function checkOrganization(
  ctx: KoaContextWithOIDC,
  value: unknown,
  client: { organization_required?: unknown },
): void {
  const { params } = ctx.oidc;
  if (value === undefined) {
    if (client.organization_required === true && params) params.organization = ANY_ORGANIZATION;
    return;
  }
  const valid = typeof value === 'string' && value.length > 0 && value.length <= MAX_LENGTH;
  if (!valid || value.includes('\0')) {
    throw new errors.InvalidRequest('organization must be the id or slug of one, or *');
  }
}

/** Whether what a request asks for is for an organization: its tokens, or its client's. */
export function isForOrganization({ oidc }: KoaContextWithOIDC): boolean {
  const { client, entities, params, route } = oidc;
  if (route !== 'token') {
    return params?.organization !== undefined || client?.organization_required === true;
  }
  const grant = entities.Grant as OrganizationGrant | undefined;
  return grant === undefined ? Boolean(client?.organization) : grant.organizationId !== undefined;
}

const resolved = new WeakMap<KoaContextWithOIDC, Promise<ResolvedOrganization | undefined>>();

/** The organization that a request is for, and what its person is there; looked up once a request. */
export function organizationOf(
  db: Db,
  ctx: KoaContextWithOIDC,
): Promise<ResolvedOrganization | undefined> {
  let found = resolved.get(ctx);
  if (found === undefined) {
    found = lookUp(db, ctx);
    resolved.set(ctx, found);
  }
  return found;
}

async function lookUp(db: Db, ctx: KoaContextWithOIDC): Promise<ResolvedOrganization | undefined> {
  const { oidc } = ctx;
  const asked = oidc.params?.organization;
  const { accountId } = oidc.session ?? {};
  if (typeof asked !== 'string' || accountId === undefined) return undefined;
  const { organization: chosen } = (oidc.result ?? {}) as { organization?: { id?: string } };
  return translated(resolveOrganization(db, asked, accountId, chosen?.id));
}

/** The organization that a request's tokens are for, if any. */
export async function organizationContextOf(
  db: Db,
  ctx: KoaContextWithOIDC,
): Promise<OrganizationContext | undefined> {
  const found = await organizationOf(db, ctx);
  return found?.outcome === 'in' ? found.organization : undefined;
}
