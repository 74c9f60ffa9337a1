import type { Context } from 'koa';
import type { AskedAcr, MfaPolicy } from '../mfa/policy.ts';
import type { EarlierSession } from './next-step.ts';

/** An authorization request that waits for a person. */
export type Interaction = {
  uid: string;
  prompt: 'create' | 'login' | 'consent';
  /** Why the person is needed; names of the provider's checks. */
  reasons: string[];
  clientId: string;
  app: Record<string, string | undefined> | undefined;
  redirectHost: string;
  loginHint: string | undefined;
  uiLocales: string | undefined;
  sessionUserId: string | undefined;
  /** The session that the person has in this browser. */
  session: EarlierSession | undefined;
  askedAcr: AskedAcr;
  /** What the client asks of everybody, in place of the installation's policy. */
  appMfa: MfaPolicy | undefined;
  /** The organization that the request is for: an id, a slug, or `*` for any. */
  askedOrganization: string | undefined;
  /** It, where it is known that the person of the session belongs to it. */
  organization: { id: string; name: string } | undefined;
  /** What the person hasn't agreed to yet. */
  missing: { scopes: string[]; claims: string[]; resources: Record<string, string[]> };
  requestedScopes: string[];
};

export type InteractionResult =
  | {
      login: { accountId: string; amr: string[]; acr: string; ts: number };
      organization?: { id: string };
    }
  | { consent: { grantId: string } }
  | { error: string; error_description: string };

/** What signing in needs of the provider; joined in app.ts. */
export type InteractionSource = {
  /** @throws AppError interaction_expired, or interaction_foreign in another browser. */
  find: (ctx: Context, uid: string) => Promise<Interaction>;
  /** Ends the interaction; gives the URL to go on at. */
  finish: (ctx: Context, result: InteractionResult) => Promise<string>;
  /** Not kept where the membership that it rests on ended meanwhile. */
  grantConsent: (ctx: Context) => Promise<{ grantId: string; kept: boolean }>;
  /** Where a person with a stale page goes on with the same client, if it is known. */
  restartUrl: (ctx: Context, uid: string) => Promise<string | undefined>;
};
