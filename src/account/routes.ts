import type Router from '@koa/router';
import { type AccountParts, createAccount, returnFromSignIn } from './account.ts';

/**
 * A person's own pages:
 *
 *   /account             profile, and the way to everything else
 *   /account/callback    back from signing in
 */
export function accountRoutes(parts: AccountParts): Router {
  const account = createAccount(parts);
  account.router.get('/callback', returnFromSignIn(parts));
  account.page('/', {}, async (visit) => visit.show('account'));
  return account.router;
}
