import { createHmac } from 'node:crypto';

/** A text message, and an id that is the same each time it is tried. */
export type Text = { id: string; to: string; text: string };

/** The gateway refused the message for good. */
export class SmsRefused extends Error {
  /** As the gateway answered. */
  readonly status: number;

  constructor(status: number) {
    super(`the gateway refused it with ${status}`);
    this.name = 'SmsRefused';
    this.status = status;
  }
}

/** Milliseconds the gateway has to answer. */
const TIMEOUT = 10_000;

/** Answers of 4xx that are about the moment, not the message (RFC 9110 §15.5.9, RFC 6585 §4). */
const TRY_AGAIN = [408, 429];

/**
 * Posts messages as `{to, text}` to the operator's gateway, signed as Standard Webhooks ask
 * (https://www.standardwebhooks.com): `webhook-signature` is `v1,` and the base64 of
 * HMAC-SHA-256 over `<webhook-id>.<webhook-timestamp>.<body>`.
 *
 * @param gateway.secret `whsec_` and base64, or any string
 * @throws SmsRefused when trying again is no use, else what went wrong.
 */
export function createSmsWebhook(gateway: {
  url: string;
  secret: string;
  fetch: typeof globalThis.fetch;
  now: () => Date;
}): (text: Text) => Promise<void> {
  const key = keyOf(gateway.secret);
  return async ({ id, to, text }) => {
    const body = JSON.stringify({ to, text });
    const timestamp = String(Math.floor(gateway.now().getTime() / 1000));
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`);
    const {
      status,
      ok,
      body: answer,
    } = await gateway.fetch(gateway.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature.digest('base64')}`,
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    await answer?.cancel();
    if (ok) return;
    if (status >= 400 && status < 500 && !TRY_AGAIN.includes(status)) throw new SmsRefused(status);
    throw new Error(`the gateway answered with ${status}`);
  };
}

function keyOf(secret: string): Buffer {
  const prefix = 'whsec_';
  return secret.startsWith(prefix)
    ? Buffer.from(secret.slice(prefix.length), 'base64')
    : Buffer.from(secret);
}
