import type { Deps } from '../../deps.ts';
import type { User } from '../../users/store.ts';
import { eventsOf, jsonListOf } from '../activity/download.ts';
import { USER_DATA } from './store.ts';

/** Everything that is stored of a person, as the pieces of one JSON document. */
export async function* exportUser(
  { db, now }: Pick<Deps, 'db' | 'now'>,
  user: User,
): AsyncGenerator<string> {
  yield `{\n"exported_at": ${JSON.stringify(now().toISOString())}`;
  for (const [name, read] of Object.entries(USER_DATA)) {
    yield `,\n${JSON.stringify(name)}: ${JSON.stringify(await read(db, user), null, 2)}`;
  }
  yield ',\n"activity": ';
  yield* jsonListOf(eventsOf(db, user.id));
  yield '}\n';
}
