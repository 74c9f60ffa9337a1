import type { Db } from '../../src/deps.ts';

/** What the server asks by itself from time to time, whoever is being answered. */
const BY_ITSELF = /"signing_keys"|SKIP LOCKED/;

/** The statements that run on a pool while something is done, as they are prepared. */
export async function recordStatements<T>(
  db: Db,
  act: () => Promise<T>,
): Promise<{ result: T; statements: string[] }> {
  const statements: string[] = [];
  const listen = ({ sql }: { sql: string }) => {
    if (!BY_ITSELF.test(sql)) statements.push(sql);
  };
  db.on('query', listen);
  try {
    return { result: await act(), statements };
  } finally {
    db.off('query', listen);
  }
}
