import { AppError } from '../errors.ts';

/** SQLSTATE classes and codes that mean "not now": PostgreSQL manual, appendix A. */
const UNAVAILABLE = /^(08|53|57P0[1-5]|57014|55P03|40001|40P01)/;
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOENT',
]);
const MESSAGES =
  /Timeout acquiring a connection|Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|Connection ended|not queryable|Unable to acquire a connection/i;

/** True when an error, or what caused it, says that the database can't be reached or answer now. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AppError) return error.code === 'database_unavailable';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && (NETWORK.has(code) || UNAVAILABLE.test(code))) return true;
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  // Other causes are not followed: a client's address that can't be reached is not the database.
  if (error.cause instanceof AppError) return isUnavailable(error.cause);
  return MESSAGES.test(error.message);
}

/** The error to throw on: AppError database_unavailable where it is one, the same otherwise. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof AppError || !isUnavailable(error)) return error;
  return new AppError('database_unavailable', { cause: error });
}
