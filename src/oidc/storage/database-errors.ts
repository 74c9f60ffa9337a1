import { type Adapter, errors } from 'oidc-provider';
import { AppError } from '../../errors.ts';

/** SQLSTATE foreign_key_violation: the grant or account ended while its token was being stored. */
const FOREIGN_KEY_VIOLATION = '23503';

/**
 * The adapter with database errors turned into what the library can answer: 503 with
 * `temporarily_unavailable` where PostgreSQL is away, `invalid_grant` where a grant ended under a
 * request. Never redirects: with the database away no redirect_uri can be checked.
 */
export function guarded(adapter: Adapter): Adapter {
  const guardedAdapter: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(adapter)) {
    const call = method as (...args: unknown[]) => Promise<unknown>;
    guardedAdapter[name] = async (...args: unknown[]) => translated(call(...args));
  }
  return guardedAdapter as unknown as Adapter;
}

/** The result of database work, or its error as the library should see it. */
export async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  if (error instanceof AppError && error.status === 503) return temporarilyUnavailable(error);
  return isGrantGone(error) ? new errors.InvalidGrant('grant not found') : error;
}

/** Whether what was to be stored rests on something that ended meanwhile; translated or not. */
export function isGrantGone(error: unknown): boolean {
  const { code } = error as { code?: string };
  return error instanceof errors.InvalidGrant || code === FOREIGN_KEY_VIOLATION;
}

function temporarilyUnavailable(cause: AppError): Error {
  const error = new errors.TemporarilyUnavailable('the database is unavailable, try again soon');
  return Object.assign(error, {
    cause,
    status: 503,
    statusCode: 503,
    expose: true,
    allow_redirect: false,
  });
}
