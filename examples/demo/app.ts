import type { RequestListener } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { AuthorizationResponseError, type Configuration, ResponseBodyError } from 'openid-client';
import { createLogoutVerifier } from './logout-token.ts';
import { homePage, STYLESHEET, signedInPage } from './pages.ts';
import { createSessions, type Notice, type Session } from './sessions.ts';
import { beginSignIn, finishSignIn, refresh, signOutUrl } from './sign-in.ts';

export type DemoParts = {
  provider: Configuration;
  /** Where browsers reach the demo. */
  url: string;
  /** Nobody could sign in when the demo started, so the first page says how to get an account. */
  freshInstallation: boolean;
};

/** What the pages ask for: signing in once more, and an account. */
const PROMPTS = ['login', 'create'] as const;

/** The sample app: a home page, a page about who is signed in, and what leads from one to the other. */
export function createDemo(parts: DemoParts): RequestListener {
  const { provider, url } = parts;
  const { issuer } = provider.serverMetadata();
  const app = new Koa();
  app.use(securityHeaders(new URL(issuer).origin));
  app.use(onlyFromOurPages(url));
  app.use(routes(parts).routes());
  return app.callback();
}

function routes(parts: DemoParts): Router {
  const { provider, url } = parts;
  const sessions = createSessions(url);
  const verifyLogout = createLogoutVerifier(provider);
  const { issuer, prompt_values_supported: prompts } = provider.serverMetadata();
  const signUp = Array.isArray(prompts) && prompts.includes('create');
  let hint = parts.freshInstallation;
  const router = new Router();

  router.get('/', (ctx) => {
    const session = sessions.of(ctx);
    const notice = takeNotice(session);
    ctx.body = session.signedIn
      ? signedInPage({ issuer, notice, signedIn: session.signedIn })
      : homePage({ issuer, signUp, notice, hint });
  });
  router.get('/demo.css', (ctx) => {
    ctx.type = 'css';
    ctx.body = STYLESHEET;
  });

  router.get('/sign-in', async (ctx) => {
    const session = sessions.of(ctx);
    const prompt = PROMPTS.find((name) => name === ctx.query.prompt);
    const begun = await beginSignIn(provider, `${url}/callback`, prompt);
    session.pending = begun.pending;
    ctx.redirect(begun.url.href);
  });
  router.get('/callback', async (ctx) => {
    const session = sessions.renew(ctx);
    const { pending } = session;
    delete session.pending;
    if (pending !== undefined) {
      await attempt(session, async () => {
        session.signedIn = await finishSignIn(provider, new URL(ctx.url, url), pending);
        hint = false;
      });
    }
    seeOther(ctx, '/');
  });

  router.post('/refresh', async (ctx) => {
    const session = sessions.of(ctx);
    const { signedIn } = session;
    if (signedIn !== undefined) {
      delete session.signedIn;
      await attempt(session, async () => {
        session.signedIn = await refresh(provider, signedIn);
        session.notice = { kind: 'status', text: 'Refreshed: these are new tokens.' };
      });
    }
    seeOther(ctx, '/');
  });
  router.post('/sign-out', (ctx) => {
    const session = sessions.of(ctx);
    const { signedIn } = session;
    delete session.signedIn;
    seeOther(
      ctx,
      signedIn ? signOutUrl(provider, signedIn.idToken, `${url}/signed-out`).href : '/',
    );
  });
  router.get('/signed-out', (ctx) => {
    sessions.of(ctx).notice = { kind: 'status', text: 'You are signed out.' };
    seeOther(ctx, '/');
  });

  router.post('/backchannel-logout', bodyParser({ enableTypes: ['form'] }), async (ctx) => {
    ctx.set('Cache-Control', 'no-store');
    const { logout_token } = ctx.request.body as { logout_token?: string };
    try {
      sessions.end(await verifyLogout(logout_token ?? ''));
      ctx.status = 200;
    } catch (error) {
      ctx.status = 400;
      ctx.body = { error: 'invalid_request', error_description: (error as Error).message };
    }
  });
  return router;
}

/** Does something that the server may refuse, and keeps what it said for the next page. */
async function attempt(session: Session, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    session.notice = { kind: 'alert', text: explain(error as Error) };
  }
}

function explain(error: Error): string {
  if (error instanceof AuthorizationResponseError && error.error === 'access_denied') {
    return 'The sign-in was cancelled.';
  }
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return `The server says ${error.error}: ${error.error_description ?? 'nothing more'}`;
  }
  return `That didn't work: ${error.message}`;
}

function takeNotice(session: Session): Notice | undefined {
  const { notice } = session;
  delete session.notice;
  return notice;
}

function seeOther(ctx: Context, url: string): void {
  ctx.redirect(url);
  ctx.status = 303;
}

/** `form-action` names the server too, because browsers apply it to the redirect after signing out. */
function securityHeaders(issuerOrigin: string): Middleware {
  return (ctx, next) => {
    ctx.set({
      'Content-Security-Policy': `default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self' ${issuerOrigin}; frame-ancestors 'none'`,
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
    });
    return next();
  };
}

/** Browsers send Origin with every POST; only the server's own logout notice comes without. */
function onlyFromOurPages(url: string): Middleware {
  return (ctx, next) => {
    const exempt = ctx.method !== 'POST' || ctx.path === '/backchannel-logout';
    if (!exempt && ctx.get('Origin') !== url) ctx.throw(403, 'This form is not from this app.');
    return next();
  };
}
