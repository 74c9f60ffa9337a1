import Router from '@koa/router';

/**
 * Where browsers and password managers look:
 *
 *   /.well-known/webauthn           origins that share the passkeys, where there are others (Web
 *                                   Authentication Level 3, §5.11)
 *   /.well-known/passkey-endpoints  the page for creating and managing passkeys (W3C, Passkey Endpoints)
 */
export function wellKnownPasskeys({
  issuer,
  origins,
}: {
  issuer: string;
  /** Of the issuer first, then those that share its passkeys. */
  origins: readonly string[];
}): Router {
  const router = new Router();
  const page = `${issuer}/account/passkeys`;
  if (origins.length > 1) {
    router.get('/.well-known/webauthn', (ctx) => {
      ctx.body = { origins };
    });
  }
  router.get('/.well-known/passkey-endpoints', (ctx) => {
    ctx.body = { enroll: page, manage: page };
  });
  return router;
}
