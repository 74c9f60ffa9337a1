import Router from '@koa/router';
import type { Context } from 'koa';
import { findWayOn } from '../../clients/way-on.ts';
import { AppError } from '../../errors.ts';
import { readForm } from '../../http/form.ts';
import { originOf } from '../../http/request-meta.ts';
import { isAddressedTo } from '../../organizations/invitations/accept.ts';
import {
  findByLink,
  referenceOf,
  type StandingInvitation,
} from '../../organizations/invitations/reference.ts';
import { findInvitationByToken } from '../../organizations/invitations/store.ts';
import { findOrganization } from '../../organizations/store.ts';
import { accountName, foldCase, personName } from '../../users/identifiers.ts';
import { findUser, findUserByIdentifier } from '../../users/store.ts';
import type { InvitationRoutesParts } from '../invitation-routes.ts';
import { readNames } from '../names.ts';
import { readNewAccount } from '../new-account.ts';
import { joinAsNewUser, makesAccounts } from './join.ts';

/** Seconds after which the page that says it worked is no longer told again. */
const DONE_FOR = 86_400;

/** What there is to do for whom a link is shown to; `unsaid` doesn't tell whether there is an account. */
type Way = 'new' | 'sign-in' | 'unsaid';

/**
 * The page behind the link of an invitation to an organization. Looking at it changes nothing, as
 * mail scanners do. Whoever has an account goes on there, signed in; who hasn't makes one here.
 */
export function joinRoutes(parts: InvitationRoutesParts): Router {
  const { deps, renderer, csrf, basePath } = parts;
  const router = new Router({ prefix: '/join' });
  const pathOf = (token: string) => `${basePath}/join/${encodeURIComponent(token)}`;

  const show = async (
    ctx: Context,
    token: string,
    standing: StandingInvitation,
    form: Record<string, string> = {},
    error?: string,
  ): Promise<void> => {
    const { invitation, organization, inviter } = standing;
    ctx.state.csrf = csrf.token(token);
    const locals = {
      way: await findWay(parts, standing),
      action: pathOf(token),
      signIn: `${basePath}/account/invitations/${referenceOf(invitation)}`,
      organization: organization.name,
      inviter: inviter && personName(inviter),
      roles: invitation.roles,
      message: invitation.message,
      account: invitation.email,
      minLength: parts.passwordRules.minLength,
      termsUrl: parts.termsUrl,
      privacyUrl: parts.privacyUrl,
      form,
      error,
    };
    renderer.page(ctx, 'join', locals, error === undefined ? {} : { status: 422 });
  };
  const find = async (token: string): Promise<StandingInvitation> => {
    const standing = await findByLink(deps.db, token);
    if (standing === undefined) throw new AppError('link_invalid');
    return standing;
  };

  router.get('/:token/done', (ctx) => showDone(parts, ctx));
  router.get('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    await show(ctx, token, await find(token));
  });
  router.post('/:token', async (ctx) => {
    const token = String(ctx.params.token);
    const form = await readForm(ctx);
    csrf.check(ctx, token, form.csrf);
    const typed = readNewAccount(form, renderer.localeOf(ctx));
    const error = await joinAsNewUser(parts, originOf(ctx), token, typed);
    if (error === undefined) {
      ctx.redirect(`${pathOf(token)}/done`);
      ctx.status = 303;
      return;
    }
    await show(ctx, token, await find(token), { ...form, ...readNames(form) }, error);
  });
  return router;
}

/** Says that it worked, and leads on. @throws AppError link_invalid for what wasn't accepted lately. */
async function showDone(
  { deps, renderer, basePath, issuer }: InvitationRoutesParts,
  ctx: Context,
): Promise<void> {
  const invitation = await findInvitationByToken(deps.db, String(ctx.params.token));
  const { accepted_by: by = null, accepted_at: at = null } = invitation ?? {};
  const user = by === null ? undefined : await findUser(deps.db, by);
  const age = at === null ? Number.NaN : (deps.now().getTime() - at.getTime()) / 1000;
  const organization = await findOrganization(deps.db, invitation?.organization_id ?? '');
  if (!user || !organization || !(age < DONE_FOR)) throw new AppError('link_invalid');
  // Who was let in with another address is nothing that the link's holder may know.
  if (!isAddressedTo({ email: invitation?.email ?? '' }, user, foldCase)) {
    throw new AppError('link_invalid');
  }
  const { id, slug, name } = organization;
  const onward = await findWayOn(deps.db, issuer, invitation?.client_id, id);
  renderer.page(ctx, 'join', {
    organization: name,
    account: accountName(user),
    ...(onward ?? { next: `${basePath}/account/organizations/${slug}` }),
  });
}

/** Who has an account signs in to it; no link that somebody else saw makes one (security 8). */
async function findWay(
  parts: InvitationRoutesParts,
  { invitation }: StandingInvitation,
): Promise<Way> {
  // An inviter who got the link instead isn't told whose accounts there are (security 9).
  if (!makesAccounts(parts, invitation)) return 'unsaid';
  return (await findUserByIdentifier(parts.deps.db, invitation.email)) ? 'sign-in' : 'new';
}
