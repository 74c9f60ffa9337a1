/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A template whose values are escaped, unless they came from another such template. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Html {
  const text = strings.map((string, i) => (i === 0 ? string : `${insert(values[i - 1])}${string}`));
  return new Html(text.join(''));
}

function insert(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(insert).join('');
  if (value === undefined) return '';
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
