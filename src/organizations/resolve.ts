import type { Db } from '../deps.ts';
import {
  findOrganizationFor,
  listOrganizationsOf,
  type OrganizationContext,
  type OrganizationEntry,
} from './store.ts';

/** What an app asks for that leaves the organization to the person. */
export const ANY_ORGANIZATION = '*';

/** Most organizations that somebody chooses from on one page. */
const CHOICES = 200;

/** Which organization a person signs in to, as an app asked. */
export type ResolvedOrganization =
  | { outcome: 'in'; organization: OrganizationContext }
  /** They have several, and have to say which. */
  | { outcome: 'choose'; choices: OrganizationEntry[] }
  | {
      outcome: 'refused';
      /** They belong to none, not to this one (if there is one of this name), or not at present. */
      reason: 'none' | 'not_member' | 'suspended';
      /** The one of the name, if there is one that isn't being deleted; never told to strangers. */
      organization?: { id: string; name: string };
    };

/**
 * Which organization a person signs in to when an app asks for this slug, this id, or any; the only
 * one that they have goes without asking. In one round trip where it is named.
 *
 * @param chosen id of the one that they chose, where it was left to them.
 */
export async function resolveOrganization(
  db: Db,
  asked: string,
  userId: string,
  chosen?: string,
): Promise<ResolvedOrganization> {
  const named = asked === ANY_ORGANIZATION ? chosen : asked;
  if (named !== undefined) return resolveNamed(db, named, userId);
  const choices = await listOrganizationsOf(db, userId, CHOICES);
  const [first] = choices;
  if (first === undefined) return { outcome: 'refused', reason: 'none' };
  return choices.length === 1 ? resolveNamed(db, first.id, userId) : { outcome: 'choose', choices };
}

async function resolveNamed(db: Db, name: string, userId: string): Promise<ResolvedOrganization> {
  const found = await findOrganizationFor(db, name, userId);
  if (found?.context) return { outcome: 'in', organization: found.context };
  if (found === undefined || found.delete_after !== null) {
    return { outcome: 'refused', reason: 'not_member' };
  }
  const reason = found.membership === 'suspended' ? 'suspended' : 'not_member';
  return { outcome: 'refused', reason, organization: { id: found.id, name: found.name } };
}
