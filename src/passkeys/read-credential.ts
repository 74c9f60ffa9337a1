import { z } from 'zod';

/** Longest credential id there may be: 1023 bytes (Web Authentication Level 3, §4). */
export const CREDENTIAL_ID = /^[\w-]{1,1364}$/;

const base64url = z.string().regex(/^[\w-]*$/);
const id = z.string().regex(CREDENTIAL_ID);
const common = { id, rawId: id, type: z.literal('public-key') };

const assertion = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url.nullish(),
  }),
});

const attestation = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: base64url,
    transports: z.array(z.string()).catch([]).optional(),
  }),
});

const clientData = z.object({ challenge: z.string(), crossOrigin: z.boolean().optional() });

export type Assertion = z.output<typeof assertion>;
export type Attestation = z.output<typeof attestation>;

/** What a browser sent of a passkey that was used, and the challenge that it answers. */
export function readAssertion(
  json: string,
): { credential: Assertion; challenge: string } | undefined {
  return readWith(assertion, json);
}

/** What a browser sent of a passkey that was created, and the challenge that it answers. */
export function readAttestation(
  json: string,
): { credential: Attestation; challenge: string } | undefined {
  return readWith(attestation, json);
}

function readWith<T extends { response: { clientDataJSON: string } }>(
  schema: z.ZodType<T>,
  json: string,
): { credential: T; challenge: string } | undefined {
  const credential = schema.safeParse(parse(json)).data;
  if (credential === undefined) return undefined;
  const { clientDataJSON } = credential.response;
  const client = clientData.safeParse(parse(Buffer.from(clientDataJSON, 'base64url').toString()));
  // None of our pages is ever in a frame of another site's.
  if (client.data === undefined || client.data.crossOrigin) return undefined;
  return { credential, challenge: client.data.challenge };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
