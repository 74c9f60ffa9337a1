import type { Origin } from '../../audit/events.ts';
import { record } from '../../audit/record.ts';
import type { Trx } from '../../deps.ts';
import { lockActiveUser, type User, type UserChange } from '../../users/store.ts';
import { updateUnlessTaken } from '../../users/unless-taken.ts';
import { attributeField, type ProfileProblem, type ProfileWish } from './read-profile.ts';

type Outcome = { ok: true } | { ok: false; problem: ProfileProblem };

/** Changes what a person says of themselves, while they may sign in. */
export async function updateProfile(
  trx: Trx,
  origin: Origin,
  userId: string,
  wish: ProfileWish,
): Promise<Outcome> {
  const user = await lockActiveUser(trx, userId);
  return user === undefined ? { ok: true } : changeProfile(trx, origin, user, wish);
}

/**
 * Changes what is said of a person, whose row is held, and records which fields; asked for twice it
 * changes them once. Of two that race for one username, one gets `username_taken`.
 */
export async function changeProfile(
  trx: Trx,
  origin: Origin,
  user: User,
  wish: ProfileWish,
): Promise<Outcome> {
  const change: UserChange = Object.fromEntries(
    Object.entries(wish.columns).filter(([name, value]) => value !== user[name as keyof User]),
  );
  const attributes = changedAttributes(user, wish);
  const fields = [...Object.keys(change), ...Object.keys(attributes).map(attributeField)];
  if (fields.length === 0) return { ok: true };
  if (change.username === null && user.email === null) {
    return { ok: false, problem: { field: 'username', key: 'username_missing' } };
  }
  if (Object.keys(attributes).length > 0) {
    change.metadata = { ...user.metadata, attributes: mergeAttributes(user, attributes) };
  }
  if (!(await updateUnlessTaken(trx, user.id, change))) {
    return { ok: false, problem: { field: 'username', key: 'username_taken' } };
  }
  await record(trx, origin, { type: 'profile.updated', userId: user.id, data: { fields } });
  return { ok: true };
}

function changedAttributes(user: User, wish: ProfileWish): ProfileWish['attributes'] {
  const now = user.metadata.attributes ?? {};
  return Object.fromEntries(
    Object.entries(wish.attributes).filter(([name, value]) => value !== (now[name] ?? null)),
  );
}

function mergeAttributes(user: User, changes: ProfileWish['attributes']): Record<string, string> {
  const merged = Object.entries({ ...user.metadata.attributes, ...changes });
  return Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== null));
}
