import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Context, Middleware } from 'koa';
import type Provider from 'oidc-provider';
import { isHashedSecret } from '../../clients/secret.ts';
import { ADMINISTRATORS_ONLY } from '../policy/registration.ts';
import { readBody } from './body.ts';

/**
 * Keeps what only we know out of the records that registered clients read and write (RFC 7592): the
 * library's `client_secret` is our hashes, which are never shown, and which a client that sends its
 * real secret back, as §2.2 wants, can't match.
 */
export function registrationRecords(provider: Provider): Middleware {
  return async (ctx, next) => {
    const [, root, clientId, ...more] = ctx.path.split('/');
    if (root !== 'register' || more.length > 0) return next();
    if (ctx.method === 'PUT' && clientId !== undefined) {
      await acceptOwnSecret(ctx, provider, decodeURIComponent(clientId));
    }
    await next();
    if (isRecord(ctx.body)) ctx.body = withoutInternals(ctx.body);
  };
}

function withoutInternals(record: Record<string, unknown>): Record<string, unknown> {
  const shown = Object.entries(record).filter(
    ([name, value]) =>
      !ADMINISTRATORS_ONLY.has(name) &&
      !(name === 'client_secret' && isHashedSecret(String(value))),
  );
  return Object.fromEntries(shown);
}

/** Takes the secret out of an update when it is the client's own; the library refuses any other. */
async function acceptOwnSecret(ctx: Context, provider: Provider, clientId: string): Promise<void> {
  const body = await readBody(ctx);
  replaceBody(ctx, body);
  const update = parse(body);
  if (typeof update?.client_secret !== 'string') return;
  const client = await provider.Client.find(clientId);
  if (!(await client?.compareClientSecret(update.client_secret))) return;
  const { client_secret: _own, ...rest } = update;
  replaceBody(ctx, Buffer.from(JSON.stringify(rest)));
}

/** Lets the library read this body from the request as if it had come that way. */
function replaceBody(ctx: Context, body: Buffer): void {
  const headers = { ...ctx.req.headers, 'content-length': String(body.length) };
  ctx.req = ctx.request.req = Object.create(ctx.req, {
    headers: { value: headers },
    readable: { value: true },
    iterator: { value: () => Readable.from([body]).iterator() },
  }) as IncomingMessage;
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return isRecord(value) ? value : undefined;
  } catch {
    // Malformed: the library says so.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
