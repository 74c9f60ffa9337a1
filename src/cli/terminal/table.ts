/** Columns of a table for people, padded to their widest cell; null is a dash. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const cells = [head.map((title) => title.toUpperCase()), ...rows.map((row) => row.map(cell))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => [...(row[i] ?? '')].length)));
  return cells.map((row) =>
    row
      .map((text, i) => text + ' '.repeat((widths[i] ?? 0) - [...text].length))
      .join('  ')
      .trimEnd(),
  );
}

/** Names and values of one thing, for people; what has no value is left out. */
export function details(value: Readonly<Record<string, unknown>>): string[] {
  const said = Object.entries(value).filter(([, v]) => v !== null && v !== undefined);
  const width = Math.max(...said.map(([name]) => name.length));
  return said.map(([name, v]) => `${name.padEnd(width)}  ${cell(v)}`);
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString().replace(/\.\d+Z$/, 'Z');
  if (Array.isArray(value)) return value.map(cell).join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A span of time as people say it, from seconds: "40 s", "12 min", "5 h", "90 days". */
export function span(seconds: number): string {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
