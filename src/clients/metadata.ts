import type { ClientKind, ClientMetadata } from './store.ts';

export type ClientInput = {
  kind: Exclude<ClientKind, 'dynamic'>;
  redirectUris: string[];
  postLogoutRedirectUris: string[];
  scope: string | undefined;
  /** Overrides of any metadata, under the standards' names. */
  metadata: ClientMetadata;
};

/** What a client may ask of the standard scopes unless it was created with others. */
const DEFAULT_SCOPE = 'openid profile email offline_access';

const SIGNED_IN_PERSON = {
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};

const KINDS: Record<ClientInput['kind'], ClientMetadata> = {
  web: {
    ...SIGNED_IN_PERSON,
    application_type: 'web',
    token_endpoint_auth_method: 'client_secret_basic',
  },
  spa: {
    ...SIGNED_IN_PERSON,
    application_type: 'web',
    token_endpoint_auth_method: 'none',
  },
  native: {
    grant_types: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    response_types: ['code'],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
  },
  machine: {
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    application_type: 'web',
    token_endpoint_auth_method: 'client_secret_basic',
  },
};

/** Metadata of a new client: what its kind implies, then what was asked for. */
export function clientMetadata(input: ClientInput): ClientMetadata {
  const machine = input.kind === 'machine';
  const scope = input.scope ?? (machine ? undefined : DEFAULT_SCOPE);
  return {
    ...KINDS[input.kind],
    ...(machine ? {} : { redirect_uris: input.redirectUris }),
    ...(input.postLogoutRedirectUris.length > 0
      ? { post_logout_redirect_uris: input.postLogoutRedirectUris }
      : {}),
    ...(scope === undefined ? {} : { scope }),
    ...input.metadata,
  };
}

/** What is kept beside the metadata, or made by us. A secret least of all may stand in it. */
const NOT_METADATA = ['client_id', 'client_name', 'client_secret', 'first_party', 'organization'];

/**
 * Metadata without the members that are null, which asks for their removal.
 *
 * @throws Error naming a member that isn't set through metadata.
 */
export function checkedMetadata(metadata: ClientMetadata): ClientMetadata {
  const misplaced = NOT_METADATA.find((name) => Object.hasOwn(metadata, name));
  if (misplaced !== undefined) throw new Error(`${misplaced} can't be set through metadata`);
  const kept = Object.entries(metadata).filter(([, value]) => value !== null);
  return Object.fromEntries(kept) as ClientMetadata;
}

const SECRET_METHODS = new Set(['client_secret_basic', 'client_secret_post']);

/** Whether a client with this metadata authenticates with a secret. */
export function needsSecret(metadata: ClientMetadata): boolean {
  return SECRET_METHODS.has(metadata.token_endpoint_auth_method ?? 'client_secret_basic');
}
