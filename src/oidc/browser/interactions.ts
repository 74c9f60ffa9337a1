import type { Context } from 'koa';
import { type Client, errors, type InteractionResults } from 'oidc-provider';
import { record } from '../../audit/record.ts';
import { hashToken } from '../../crypto/token-hash.ts';
import { transaction } from '../../db/pool.ts';
import type { Db } from '../../deps.ts';
import { AppError } from '../../errors.ts';
import { originOf } from '../../http/request-meta.ts';
import { findArtifact } from '../../oidc-state/artifacts.ts';
import { addConsent, type Consent } from '../../oidc-state/consents.ts';
import { endSession } from '../../oidc-state/end.ts';
import type { Holder } from '../holder.ts';
import type { OrganizationGrant } from '../organization/models.ts';
import type { SignInDetails } from '../policy/assurance.ts';
import type { PolicyClient } from '../policy/policy.ts';
import { unseal } from '../storage/adapter.ts';
import { isGrantGone } from '../storage/database-errors.ts';
import type { RowHandles } from '../storage/row-handle.ts';
import { appOf } from './pages.ts';

type LibraryInteraction = Awaited<ReturnType<ReturnType<Holder['current']>['interactionDetails']>>;

export type Interactions = ReturnType<typeof createInteractions>;

/** The login pages' view of the library: what src/login asks for in its interaction.ts. */
export function createInteractions(options: {
  holder: Holder;
  db: Db;
  handles: RowHandles;
  issuer: string;
}) {
  const { holder, db, handles, issuer } = options;
  const details = (ctx: Context): Promise<LibraryInteraction> =>
    holder.current().interactionDetails(ctx.req, ctx.res);
  const load = async (ctx: Context): Promise<LibraryInteraction> => {
    try {
      return await details(ctx).catch((error) => {
        // Of the same form sent twice, one may have left the session between our two reads of it.
        if (error instanceof errors.SessionNotFound) return details(ctx);
        throw error;
      });
    } catch (error) {
      throw error instanceof errors.SessionNotFound
        ? new AppError('interaction_expired', { cause: error })
        : asAppError(error);
    }
  };
  return {
    /** The interaction of this URL and this browser. @throws AppError interaction_expired or _foreign. */
    find: async (ctx: Context, uid: string) => {
      const interaction = await load(ctx).catch(async (error) => {
        // In the browser that has its cookie, it is the session under it that ended.
        const ours = ctx.cookies.get(holder.current().cookieName('interaction')) === uid;
        const foreign = !ours && (await isAlive(db, handles, uid));
        throw foreign ? new AppError('interaction_foreign') : error;
      });
      if (interaction.uid !== uid) throw new AppError('interaction_foreign');
      const client = await holder.current().Client.find(String(interaction.params.client_id));
      return describe(interaction, client);
    },
    /** Ends the interaction; gives the URL at which the authorization request goes on. */
    finish: async (ctx: Context, result: InteractionResults): Promise<string> => {
      try {
        const interaction = await load(ctx);
        const { prompt } = interaction;
        if (result.login) await leaveOther(holder, db, ctx, interaction, result.login.accountId);
        // The library takes a prompt for answered when the result has its name.
        const answer = prompt.name === 'create' && 'login' in result ? { create: {} } : {};
        const whole = { ...answer, ...result };
        return await holder.current().interactionResult(ctx.req, ctx.res, whole, {
          mergeWithLastSubmission: !('login' in result),
        });
      } catch (error) {
        throw error instanceof errors.SessionNotFound
          ? new AppError('interaction_expired', { cause: error })
          : asAppError(error);
      }
    },
    /** Keeps that the person agreed to everything that was asked. */
    grantConsent: async (ctx: Context): Promise<Agreed> => saveGrant(holder, db, await load(ctx)),
    /**
     * Where a person with a stale page goes on with the same client, if it is known: a request that
     * was answered is not made again by looking at it, only by sending its form again.
     */
    restartUrl: async (ctx: Context, uid: string): Promise<string | undefined> => {
      const provider = holder.current();
      const row = await findArtifact(db, 'Interaction', handles.idOf(uid));
      if (row === undefined) return undefined;
      const { params, deviceCode } = unseal(uid, row.payload) as Stored;
      const client = params && (await provider.Client.find(params.client_id ?? ''));
      if (client === undefined) return undefined;
      if (deviceCode !== undefined) return provider.urlFor('code_verification');
      const { prompt, ...rest } = params ?? {};
      // What was to be created has been: going on makes no second account.
      const created = row.consumed !== null && prompt === 'create';
      const again = withParams(
        provider.urlFor('authorization'),
        created ? rest : { prompt, ...rest },
      );
      if (row.consumed !== null && ctx.method === 'POST') return again;
      const initiate = client.initiateLoginUri as string | undefined;
      if (initiate !== undefined) return withParams(initiate, { iss: issuer });
      if (row.consumed === null || client.clientUri === undefined) return again;
      const session = await provider.Session.get(provider.createContext(ctx.req, ctx.res));
      return session.sidFor(client.clientId) === undefined ? again : client.clientUri;
    },
  };
}

/**
 * Ends the session of somebody else in this browser, of whom the person who just signed in takes it
 * over. Left to the library, that would be a page of its own with a form to send.
 */
async function leaveOther(
  holder: Holder,
  db: Db,
  ctx: Context,
  interaction: LibraryInteraction,
  accountId: string,
): Promise<void> {
  const provider = holder.current();
  const session = await provider.Session.get(provider.createContext(ctx.req, ctx.res));
  const other = session.accountId;
  if (other === undefined || other === accountId) return;
  // First, so that the same form sent twice finds an interaction that no session has to go with.
  Object.assign(interaction, { session: undefined });
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  await transaction(db, async (trx) => {
    if ((await endSession(trx, session.uid)) === undefined) return;
    const clientId = String(interaction.params.client_id);
    const event = { type: 'session.ended', userId: other, clientId } as const;
    await record(trx, originOf(ctx, `user:${other}`), event);
  });
}

/** What a stale interaction still says. */
type Stored = { params?: Record<string, string>; deviceCode?: string };

async function isAlive(db: Db, handles: RowHandles, uid: string): Promise<boolean> {
  const row = await findArtifact(db, 'Interaction', handles.idOf(uid));
  if (row === undefined || row.consumed !== null) return false;
  return Number(unseal(uid, row.payload).exp) > Date.now() / 1000;
}

/** A request that waits for a person, as pages need to know it. */
function describe(interaction: LibraryInteraction, client: Client | undefined) {
  const { params, prompt, session } = interaction;
  const details = prompt.details as Partial<SignInDetails> & {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  return {
    uid: interaction.uid,
    prompt: prompt.name as 'create' | 'login' | 'consent',
    reasons: prompt.reasons,
    clientId: String(params.client_id),
    app: appOf(client),
    redirectHost: URL.parse(String(params.redirect_uri ?? ''))?.host ?? '',
    loginHint: textOf(params.login_hint),
    uiLocales: textOf(params.ui_locales),
    sessionUserId: session?.accountId,
    session: session && {
      userId: session.accountId,
      acr: session.acr,
      amr: session.amr ?? [],
      at: details.signedInAt ?? 0,
    },
    // One that a version before this began doesn't say.
    askedAcr: details.askedAcr ?? { essential: [], voluntary: [] },
    appMfa: (client as PolicyClient | undefined)?.mfa,
    askedOrganization: textOf(params.organization),
    organization: details.organization,
    missing: {
      scopes: details.missingOIDCScope ?? [],
      claims: details.missingOIDCClaims ?? [],
      resources: details.missingResourceScopes ?? {},
    },
    requestedScopes: textOf(params.scope)?.split(' ') ?? [],
  };
}

/** What a person agreed to; not kept where the membership that it rests on has ended. */
type Agreed = { grantId: string; kept: boolean };

async function saveGrant(holder: Holder, db: Db, interaction: LibraryInteraction): Promise<Agreed> {
  const { Client, Grant } = holder.current();
  const { params, session, grantId } = interaction;
  const client = (await Client.find(String(params.client_id))) as PolicyClient | undefined;
  const { missing: details, organization } = describe(interaction, undefined);
  const existing = grantId === undefined ? undefined : await Grant.find(grantId);
  const grant =
    existing ??
    Object.assign(
      new Grant({ accountId: session?.accountId as string, clientId: String(params.client_id) }),
      // The same for the same form, so that sending it twice at once agrees once.
      { jti: hashToken(`grant ${interaction.uid}`).toString('base64url') },
      organization && { organizationId: organization.id },
    );
  if (details.scopes.length > 0) grant.addOIDCScope(details.scopes.join(' '));
  if (details.claims.length > 0) grant.addOIDCClaims(details.claims);
  for (const [indicator, scopes] of Object.entries(details.resources)) {
    grant.addResourceScope(indicator, scopes.join(' '));
  }
  try {
    // Ours are granted what they ask for anyway.
    if (client?.first_party !== true) await keepConsent(db, grant);
    return { grantId: await grant.save(), kept: true };
  } catch (error) {
    // It ended since the page was shown: what comes next says so.
    if (isGrantGone(error)) return { grantId: grant.jti, kept: false };
    throw error;
  }
}

/** Keeps what was agreed to beyond this session (ADR 0013). */
async function keepConsent(db: Db, grant: OrganizationGrant): Promise<void> {
  const { accountId, clientId, organizationId, openid, resources = {} } = grant;
  const key = { userId: String(accountId), clientId: String(clientId), organizationId };
  const consent: Consent = {
    scopes: words(openid?.scope),
    claims: openid?.claims ?? [],
    resources: Object.fromEntries(
      Object.entries(resources).map(([indicator, scope]) => [indicator, words(scope)]),
    ),
  };
  await transaction(db, (trx) => addConsent(trx, key, consent));
}

function words(scope: string | undefined): string[] {
  return scope === undefined ? [] : scope.split(' ').filter((word) => word !== '');
}

function asAppError(error: unknown): unknown {
  const status = (error as { statusCode?: number }).statusCode;
  return status === 503 ? new AppError('database_unavailable', { cause: error }) : error;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function withParams(url: string, params: Record<string, unknown>): string {
  const target = new URL(url);
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) {
      if (typeof one === 'string') target.searchParams.append(name, one);
    }
  }
  return target.href;
}
