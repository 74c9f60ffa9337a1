/**
 * Every error that a person or a client may be told about: its HTTP status and whether trying again
 * can help. The words live in views/locales under `errors.<code>`.
 */
const ERRORS = {
  bad_request: 400,
  csrf: 403,
  forbidden: 403,
  interaction_expired: 400,
  interaction_foreign: 400,
  link_invalid: 400,
  not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  internal: 500,
  busy: 503,
  database_unavailable: 503,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An expected failure with a code that is safe to show; the cause goes to the log only. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds after which another try can succeed; sent as Retry-After. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(code, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = ERRORS[code];
    this.retryAfter = options.retryAfter ?? (this.status === 503 ? 2 : undefined);
  }
}
