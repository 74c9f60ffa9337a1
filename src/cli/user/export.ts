import { type FileHandle, open, unlink } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { exportUser } from '../../account/data/export-user.ts';
import { record } from '../../audit/record.ts';
import { transaction } from '../../db/pool.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { getUser, nameOf, WHO } from './named-user.ts';

/** `plinto user export`. */
export function exportCommand(group: Command): void {
  group
    .command('export')
    .description('write down everything that is stored of a user, as they can download it')
    .argument('<user>', WHO)
    .option('--output <file>', 'a new file that only you can read; printed without')
    .option('--json', 'print JSON')
    .action(onDatabase(exportData));
}

async function exportData(
  { db, runtime, origin }: Session,
  who: string,
  { output }: { output?: string },
): Promise<Answer> {
  const user = await getUser(db, who);
  const file = output === undefined ? undefined : await create(output);
  const pieces = exportUser(runtime.deps, user);
  try {
    await transaction(db, (trx) => record(trx, origin, { type: 'user.exported', userId: user.id }));
    if (file === undefined) return documentAnswer(await text(pieces));
    await file.writeFile(pieces);
  } catch (error) {
    // Half of what is known of somebody is no answer.
    if (output !== undefined) await unlink(output);
    throw error;
  } finally {
    await file?.close();
  }
  const line = `Wrote what is stored of ${nameOf(user)} to ${output}.`;
  return { value: { id: user.id, file: output }, lines: [line] };
}

/** Never a file that is there, which others may be able to read. @throws Error that says so. */
async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new Error(`${path} is there already: name a new file`);
    throw new Error(`--output can't be written: ${message}`);
  }
}

/** What a terminal would obey is escaped, which JSON reads as the same. */
function documentAnswer(document: string): Answer {
  const safe = document.replace(
    /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return { value: JSON.parse(document), lines: safe.trimEnd().split('\n') };
}
