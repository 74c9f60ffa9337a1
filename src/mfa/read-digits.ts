/** First digits of scripts whose digits people type; NFKC knows the full-width ones. */
const ZEROS = [0x660, 0x6f0, 0x966, 0x9e6];

/** The digits of what somebody typed or pasted, whatever script, spaces or dashes. */
export function readDigits(typed: string): string {
  return [...typed.normalize('NFKC')]
    .map((char) => {
      const point = char.codePointAt(0) ?? 0;
      const zero = ZEROS.find((start) => point >= start && point <= start + 9);
      return zero === undefined ? char : String(point - zero);
    })
    .join('')
    .replace(/[\s\p{Dash}]+/gu, '');
}
