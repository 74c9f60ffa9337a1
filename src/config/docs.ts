import type { Variable } from './schemas.ts';
import { VARIABLES } from './variables.ts';

const HEAD = `# Configuration

<!-- Made by \`npm run docs\` from src/config/variables.ts. Change it there. -->

Settings are environment variables. A file named \`.env\` in the working directory may hold them too;
the environment wins. Each can be read from a file instead: \`PLINTO_SECRET_FILE=/run/secrets/plinto\`
stands for the content of that file, without the line break at its end. An empty value counts as none.

\`plinto config check\` lists everything that is wrong at once, and \`plinto doctor\` what a production
setup still lacks. Setting \`DATABASE_URL\` means production: what is unsafe there then refuses to start.

| Variable | Default | Meaning |
|---|---|---|`;

/** The page docs/config.md: every setting with its default and meaning, as Markdown. */
export function configMarkdown(): string {
  const rows = (VARIABLES as readonly Variable[]).map(
    (variable) => `| \`${variable.name}\` | ${defaultOf(variable)} | ${variable.help} |`,
  );
  return `${[HEAD, ...rows].join('\n')}\n`;
}

function defaultOf({ schema, fallback }: Variable): string {
  return fallback ?? `\`${String(schema.parse(undefined))}\``;
}
