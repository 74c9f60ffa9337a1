import { isId } from '../db/id.ts';

const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Longest slug. */
export const MAX_SLUG = 63;

/** Words that stand in the place of a slug in addresses. */
const RESERVED = new Set(['new', 'invitations', 'join', 'logos']);

/** Whether an organization may be addressed so. */
export function isSlug(text: string): boolean {
  return SLUG.test(text) && !isId(text) && !RESERVED.has(text);
}

/** A slug made of a name; '' when nothing of it can be in one. */
export function slugOf(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_SLUG)
    .replace(/^-+|-+$/g, '');
}
