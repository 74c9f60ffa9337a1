const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Whether this is an id in the one form in which rows have theirs (RFC 9562 §4, small letters). A
 * statement that compares an id with anything else fails, so what anybody made up is asked first.
 */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}
