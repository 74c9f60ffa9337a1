import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { VARIABLES } from './variables.ts';

/** What is wrong with one variable. */
export type Problem = { name: string; text: string };

/**
 * Collects the values of our variables from the process environment and, where it says nothing, from
 * the `.env` file of a folder. `NAME_FILE` stands for the content of the file it names (for secrets
 * that an orchestrator mounts). Empty means not set.
 *
 * @returns the values, and what couldn't be read.
 */
export function readEnvironment(
  folder: string,
  env: NodeJS.ProcessEnv,
): { values: Record<string, string>; problems: Problem[] } {
  const problems: Problem[] = [];
  const layers = [env, readDotEnv(folder, problems)];
  const values: Record<string, string> = {};
  for (const { name } of VARIABLES) {
    const value = firstValue(name, layers, problems);
    if (value !== undefined) values[name] = value;
  }
  const mode = layers.map((layer) => layer.NODE_ENV).find((v) => v !== undefined);
  if (mode !== undefined) values.NODE_ENV = mode;
  return { values, problems };
}

function firstValue(
  name: string,
  layers: readonly NodeJS.Dict<string>[],
  problems: Problem[],
): string | undefined {
  for (const layer of layers) {
    const { [name]: value, [`${name}_FILE`]: file } = layer;
    if (value && file) {
      problems.push({ name, text: `${name}_FILE is set too: keep one of them` });
      return value;
    }
    if (value !== undefined && !file) return value;
    if (file) return readValue(name, file, problems);
  }
  return undefined;
}

function readValue(name: string, file: string, problems: Problem[]): string | undefined {
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (error) {
    problems.push({ name, text: `${name}_FILE can't be read: ${(error as Error).message}` });
    return undefined;
  }
}

function readDotEnv(folder: string, problems: Problem[]): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(join(folder, '.env'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      problems.push({ name: '.env', text: `can't be read: ${(error as Error).message}` });
    }
    return {};
  }
}
