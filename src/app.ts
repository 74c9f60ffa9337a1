import { fileURLToPath } from 'node:url';
import type Router from '@koa/router';
import Koa from 'koa';
import mount from 'koa-mount';
import { accountRoutes } from './account/routes.ts';
import { createFactors } from './app/factors.ts';
import { createMessages, type Messages } from './app/messages.ts';
import { SYSTEM } from './audit/events.ts';
import { record } from './audit/record.ts';
import type { Config } from './config.ts';
import type { Keyring } from './crypto/keyring.ts';
import type { PasswordHasher } from './crypto/password-hash.ts';
import { transaction } from './db/pool.ts';
import type { Deps } from './deps.ts';
import { createDeviceCookie } from './devices/device-cookie.ts';
import { createTrustedDevices } from './devices/trusted-devices.ts';
import { createAssets } from './http/assets.ts';
import { createCsrf } from './http/csrf.ts';
import { errorPages } from './http/error-page.ts';
import { createI18n } from './http/i18n.ts';
import { refuseMalformedUrls } from './http/malformed-urls.ts';
import { createRenderer } from './http/render.ts';
import { originOf, requestMeta } from './http/request-meta.ts';
import { securityHeaders } from './http/security-headers.ts';
import { addJob } from './jobs/store.ts';
import type { Tasks } from './jobs/tasks.ts';
import { joinPages } from './login/pages.ts';
import { loginRoutes } from './login/routes.ts';
import { createSignIn } from './login/sign-in.ts';
import { ACCOUNT_CLIENT_ID } from './oidc/browser/account-client.ts';
import { createOidc, type Oidc } from './oidc/oidc.ts';
import { deleteExpired } from './oidc-state/cleanup.ts';
import { findBranding } from './organizations/branding/find-branding.ts';
import { deleteDueOrganizations } from './organizations/deletion/delete-due-organizations.ts';
import { joinByDomain, mayJoin } from './organizations/domains/join.ts';
import { recheckDomains } from './organizations/domains/recheck-domains.ts';
import { wellKnownPasskeys } from './passkeys/well-known.ts';
import { createPasswordRules } from './password/password-rules.ts';
import { passwordRoutes } from './password/routes.ts';
import { cancelFactorRecovery } from './recovery/lost-factors/cancel.ts';
import { mayRecover } from './recovery/lost-factors/lost-factors.ts';
import { lostFactorsRoutes } from './recovery/lost-factors/routes.ts';
import { recoveryPages } from './recovery/pages.ts';
import { createReturnCookie } from './recovery/return-cookie.ts';
import { resetPasswordRoutes } from './recovery/routes.ts';
import { invitationRoutes } from './registration/invitation-routes.ts';
import { joinRoutes } from './registration/join/routes.ts';
import { registrationPages } from './registration/registration.ts';
import { setupRoutes } from './setup/routes.ts';
import { deleteDueUsers } from './users/delete-due-users.ts';
import type { User } from './users/store.ts';

export type App = {
  koa: Koa;
  /** Every page and form but the provider's own. */
  routers: readonly Router[];
  tasks: Tasks;
  /** Something that is kept in memory changed, or may have. */
  changed: (table: string | undefined) => Promise<void>;
};

export type AppParts = {
  deps: Deps;
  config: Config;
  keyring: Keyring;
  hasher: PasswordHasher;
  /** Whether changes made by other processes are heard of, so that memory may be trusted. */
  hearsChanges: () => boolean;
};

const VIEWS = fileURLToPath(new URL('../views', import.meta.url));

/** Puts the slices together. The only file that sees them all. */
export async function createApp(parts: AppParts): Promise<App> {
  const { deps, config, keyring } = parts;
  const assets = createAssets({ publicDir: `${VIEWS}/public`, basePath: '' });
  const shared = createShared(parts, assets.version);
  const { renderer, basePath } = shared;
  const oidc = await createOidc({
    deps,
    config,
    keyring,
    renderer,
    trustedDevices: shared.trustedDevices,
    hearsChanges: parts.hearsChanges,
    record: (event) => transaction(deps.db, (trx) => record(trx, SYSTEM, event)),
    queueBackchannelLogout: (payload) =>
      transaction(deps.db, (trx) => addJob(trx, 'backchannel-logout', payload)),
  });

  const inner = new Koa();
  inner.use(assets.middleware);
  inner.use(oidc.wellKnown);
  const routers = createRouters(shared, config, oidc);
  for (const router of routers) inner.use(router.routes());
  inner.use((ctx, next) =>
    ctx.path === '/' && ctx.method === 'GET'
      ? renderer.page(ctx, 'home', { issuer: config.issuer })
      : next(),
  );
  inner.use(oidc.middleware);

  const koa = outerApp(config, keyring, deps);
  koa.use(securityHeaders(config.secure));
  koa.use(errorPages(renderer));
  koa.use(refuseMalformedUrls);
  koa.use(oidc.pathInsertion);
  const { issuer, mfa, passkeys } = config;
  const wellKnown = mfa.factors.includes('passkey')
    ? [wellKnownPasskeys({ issuer, ...passkeys })]
    : [];
  // Asked for by host, whatever the issuer's path.
  for (const router of wellKnown) koa.use(router.routes());
  koa.use(basePath === '' ? mount(inner) : mount(basePath, inner));
  return {
    koa,
    routers: [...routers, ...wellKnown],
    changed: oidc.changed,
    tasks: createTasks(deps, config, oidc, shared.messages),
  };
}

/** What several slices are built from. */
type Shared = ReturnType<typeof createShared>;

function createShared({ deps, config, keyring, hasher }: AppParts, assetVersion: string) {
  const { basePath, issuer, secure } = config;
  const i18n = createI18n(`${VIEWS}/locales`);
  const renderer = createRenderer({
    viewsDir: VIEWS,
    basePath,
    i18n,
    assetVersion,
    productName: config.productName,
  });
  const messages = createMessages({ deps, config, keyring, i18n, viewsDir: VIEWS });
  return {
    deps,
    hasher,
    renderer,
    boxKeys: keyring.box,
    csrf: createCsrf(keyring.csrf, issuer),
    basePath,
    issuer,
    productName: config.productName,
    mfa: config.mfa,
    passwordRules: createPasswordRules({
      deps,
      productName: config.productName,
      breachCheckUrl: config.passwordBreachCheckUrl,
      mfaPolicy: config.mfa.policy,
    }),
    devices: createDeviceCookie({ secure, path: basePath || '/' }),
    trustedDevices: createTrustedDevices({
      secure,
      path: basePath || '/',
      rememberDays: config.mfa.rememberDays,
      placeHeader: config.placeHeader,
    }),
    messages,
    mailer: messages.mailer,
    texter: messages.texter,
    codes: { keys: keyring.codes, randomBytes: deps.randomBytes },
    challenges: {
      keys: keyring.challenges,
      randomBytes: deps.randomBytes,
      now: deps.now,
      ttl: config.ttl.interaction,
    },
  };
}

function createRouters(shared: Shared, config: Config, oidc: Oidc): Router[] {
  const ttl = config.ttl.interaction;
  const { placeHeader } = config;
  const { recoveryDelayHours } = config.mfa;
  const lost = { ...shared, recoveryDelayHours };
  const signIn = createSignIn({
    ...shared,
    placeHeader,
    ttl,
    cancelRecovery: (ctx, trx, user) => {
      const tools = { ...shared, locale: shared.renderer.localeOf(ctx) };
      return cancelFactorRecovery(trx, tools, originOf(ctx, `user:${user.id}`), user);
    },
  });
  const { interactions, sessions } = oidc;
  const { signUp, termsUrl, privacyUrl } = config;
  const registration = { ...shared, signIn, signUp, termsUrl, privacyUrl, ttl };
  const { secure, emailSignIn } = config;
  const returns = createReturnCookie({ secure, basePath: shared.basePath });
  const recovery = { ...shared, signIn, returns, emailSignIn };
  const others = joinPages([registrationPages(registration), recoveryPages(recovery)]);
  const factors = createFactors({ ...shared, config, signIn });
  const { hasRecoveryCodes, isPasskeyOfferDue } = factors;
  const due = {
    hasRecoveryCodes,
    isPasskeyOfferDue,
    mayRecover: (user: User) => mayRecover(lost, user),
    mayJoin,
    join: joinByDomain,
    findBranding,
  };
  return [
    loginRoutes({ ...shared, ...due, ttl, interactions, signIn, others, factors: factors.login }),
    setupRoutes(shared),
    invitationRoutes(registration),
    joinRoutes(registration),
    resetPasswordRoutes(recovery),
    ...lostFactorsRoutes(lost),
    passwordRoutes(shared),
    ...accountRoutes({
      ...shared,
      sessions,
      clientId: ACCOUNT_CLIENT_ID,
      factors: factors.account,
      findRecovery: factors.findRecovery,
      profileAttributes: config.profileAttributes,
      deletionGraceDays: config.deletionGraceDays,
      emailSignIn,
      organizationCreation: config.organizationCreation,
    }),
    ...shared.messages.routers(shared.renderer),
  ];
}

function createTasks(deps: Deps, config: Config, oidc: Oidc, messages: Messages): Tasks {
  const mails = { mailer: messages.mailer, issuer: config.issuer, locale: 'en' };
  return {
    'delete-expired': async () => {
      await deleteExpired(deps.db);
    },
    'maintain-keys': oidc.maintainKeys,
    ...messages.tasks,
    'delete-organizations': async () => {
      await deleteDueOrganizations(deps, mails);
    },
    'delete-users': async () => {
      await deleteDueUsers(deps, mails);
    },
    'recheck-domains': () => recheckDomains(deps, mails),
    'backchannel-logout': oidc.sendBackchannelLogout,
  };
}

function outerApp(config: Config, keyring: Keyring, deps: Deps): Koa {
  const koa = new Koa({
    keys: keyring.cookies,
    proxy: config.trustProxy > 0,
    maxIpsCount: config.trustProxy,
  });
  koa.on('error', (err) => {
    const { code = '' } = err as { code?: string };
    // Clients that go away in the middle, or stop speaking HTTP, are nobody's failure.
    const theirs = code === 'ECONNRESET' || code === 'EPIPE' || code.startsWith('HPE_');
    deps.log[theirs ? 'debug' : 'error']({ err }, 'unhandled');
  });
  koa.use(requestMeta(deps.log, config.trustProxy > 0));
  koa.use((ctx, next) => {
    // Behind a proxy that ends TLS the socket is plain, but cookies must be Secure all the same.
    if (config.secure) ctx.cookies.secure = true;
    return next();
  });
  return koa;
}
