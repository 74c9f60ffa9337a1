import { type ClientMetadata, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { MFA_POLICIES } from '../../mfa/policy.ts';
import { checkFapiProfile } from './fapi.ts';

/** Members of client metadata that are ours, beside the registered ones. */
export const OWN_METADATA = [
  'first_party',
  'legacy_confidential',
  'allowed_origins',
  'fapi_profile',
  'mfa',
  'organization_required',
  'organization',
];

/** Members that only an administrator may set, never a client that registers itself. */
export const ADMINISTRATORS_ONLY = new Set([
  'first_party',
  'legacy_confidential',
  'mfa',
  'organization',
]);

const BOOLEANS = new Set(['first_party', 'legacy_confidential', 'organization_required']);

/**
 * Checks our own members. `ctx` is there only when a client registers itself (RFC 7591).
 *
 * @throws InvalidClientMetadata
 */
export function checkOwnMetadata(
  ctx: KoaContextWithOIDC | undefined,
  key: string,
  value: unknown,
  metadata: ClientMetadata,
): void {
  if (value === undefined) return;
  if (ctx !== undefined && ADMINISTRATORS_ONLY.has(key)) {
    throw new errors.InvalidClientMetadata(`${key} can't be set by registration`);
  }
  if (BOOLEANS.has(key) && typeof value !== 'boolean') {
    throw new errors.InvalidClientMetadata(`${key} must be a boolean`);
  }
  if (key === 'allowed_origins') checkOrigins(value);
  if (key === 'mfa' && !(MFA_POLICIES as readonly unknown[]).includes(value)) {
    throw new errors.InvalidClientMetadata(`mfa must be one of ${MFA_POLICIES.join(', ')}`);
  }
  if (key === 'fapi_profile') checkFapiProfile(value, metadata);
}

function checkOrigins(value: unknown): void {
  const valid =
    Array.isArray(value) &&
    value.every((v) => typeof v === 'string' && URL.parse(v)?.origin === v && /^https?:/.test(v));
  if (!valid) {
    throw new errors.InvalidClientMetadata(
      'allowed_origins must be an array of origins such as https://app.example.com',
    );
  }
}
