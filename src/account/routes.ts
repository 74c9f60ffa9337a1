import type Router from '@koa/router';
import { type AccountParts, createAccount, returnFromSignIn, signOut } from './account.ts';
import { emailPages } from './contact/email.ts';
import { phonePages } from './contact/phone.ts';
import { logoRoutes, stylesheetRoutes } from './organizations/branding/public.ts';
import { organizationRoutes } from './organizations/routes.ts';
import { changePasswordUrl, passwordPages } from './password/password.ts';
import { picturePages, pictureRoutes } from './profile/picture.ts';
import { profilePages } from './profile/profile.ts';
import { securityPages } from './security.ts';

/**
 * A person's own pages:
 *
 *   /account             profile, and the way to everything else
 *   /account/callback    back from signing in
 *   /account/sign-out    ends this browser's session
 *   /account/sessions, /apps, /activity, /data, /delete
 *                        who may do what, what happened, and the end of it all
 *   /account/organizations
 *                        those they belong to (organizations/routes.ts); how their sign-in pages look is
 *                        for everybody, at /logos/:id.webp and /branding/:organization/:version.css
 *   /account/email, /phone
 *                        others, each proven by a code (/code, /resend) that is sent there
 *   /account/password    when it was set, and /change for another
 *   /account/picture     a picture to show, at /pictures/:id.webp for everybody who has the address
 */
export function accountRoutes(parts: AccountParts): Router[] {
  const account = createAccount(parts);
  account.router.get('/callback', returnFromSignIn(parts));
  account.router.post('/sign-out', signOut(parts));
  profilePages(account, parts);
  picturePages(account, parts);
  emailPages(account, parts);
  phonePages(account, parts);
  passwordPages(account, parts);
  for (const factor of parts.factors) factor.account(account);
  securityPages(account, parts);
  organizationRoutes(account, parts);
  account.close();
  const { db } = parts.deps;
  const pictures = [pictureRoutes(db), logoRoutes(db), stylesheetRoutes(db)];
  return [account.router, ...pictures, changePasswordUrl(parts)];
}
