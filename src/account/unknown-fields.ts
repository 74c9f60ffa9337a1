/**
 * The first field of a form that its page doesn't have. It is refused rather than passed over, so that
 * nothing ever depends on which names a store happens to know (security 25).
 */
export function unknownField(
  form: Readonly<Record<string, unknown>>,
  known: readonly string[],
): string | undefined {
  return Object.keys(form).find((name) => name !== 'csrf' && !known.includes(name));
}
