import type { Db } from '../../deps.ts';
import { tidyLine } from '../../http/words.ts';
import { listOrganizationResources } from '../../resources/store.ts';
import { covers, type Held, OWN_PERMISSIONS } from '../permissions.ts';
import { heldOf, type Role } from './store.ts';

/** Longest name and description of a role, in characters. */
const MAX_ROLE_NAME = 60;
const MAX_DESCRIPTION = 200;

/** Who makes and changes roles: a member by what they hold, or whoever runs the installation. */
export type RoleActor = Held | 'installation';

/** What somebody wants a role to be. */
export type RoleWish = {
  name: string;
  /** '' for none. */
  description: string;
  /** Plinto's own permissions. */
  permissions: readonly string[];
  /** Permissions of APIs by resource indicator. */
  api: Readonly<Record<string, readonly string[]>>;
};

export type RoleProblem =
  | 'name_missing'
  | 'description_long'
  /** There is none of this name (in `detail`), or its API's tokens never name an organization. */
  | 'permission_unknown'
  /** Who asks doesn't hold it themselves; it is in `detail`. */
  | 'not_held';

type Draft = Pick<Role, 'name' | 'description' | 'permissions' | 'api'>;
type ReadResult = { ok: true; draft: Draft } | { ok: false; reason: RoleProblem; detail?: string };

/** What a wish comes to, if it is one that its maker may have. */
export async function readRole(db: Db, actor: RoleActor, wish: RoleWish): Promise<ReadResult> {
  const name = tidyText(wish.name);
  if (name === '' || [...name].length > MAX_ROLE_NAME) return { ok: false, reason: 'name_missing' };
  const description = tidyText(wish.description);
  if ([...description].length > MAX_DESCRIPTION) return { ok: false, reason: 'description_long' };
  const api = Object.fromEntries(
    Object.entries(wish.api)
      .map(([indicator, names]) => [indicator, [...new Set(names)].sort()] as const)
      .filter(([, names]) => names.length > 0),
  );
  const unknown = await unknownPermission(db, wish.permissions, api);
  if (unknown !== undefined) return { ok: false, reason: 'permission_unknown', detail: unknown };
  const permissions = OWN_PERMISSIONS.filter((one) => wish.permissions.includes(one));
  const draft = { name, description: description || null, permissions, api };
  const lacked = lackedBy(actor, draft);
  if (lacked !== undefined) return { ok: false, reason: 'not_held', detail: lacked };
  return { ok: true, draft };
}

/** Whether somebody may change a role, or give it away: it gives nothing that they lack. */
export function mayChange(actor: RoleActor, role: Role): boolean {
  return actor === 'installation' || covers(actor, heldOf(role));
}

/** Each permission of a role in one list: Plinto's own, and those of APIs with their indicators. */
export function permissionNames({ permissions, api }: Pick<Role, 'permissions' | 'api'>): string[] {
  const ofApis = Object.entries(api).flatMap(([indicator, names]) =>
    names.map((name) => `${indicator} ${name}`),
  );
  return [...permissions, ...ofApis.sort()];
}

/** A name or description as it is kept: on one line, without space around it. */
export function tidyText(text: string): string {
  return tidyLine(text);
}

async function unknownPermission(
  db: Db,
  permissions: readonly string[],
  api: Role['api'],
): Promise<string | undefined> {
  const known = new Map(
    (await listOrganizationResources(db)).map(({ indicator, permissions: all }) => [
      indicator,
      all.map(({ name }) => name),
    ]),
  );
  return (
    permissions.find((name) => !(OWN_PERMISSIONS as readonly string[]).includes(name)) ??
    Object.entries(api)
      .flatMap(([indicator, names]) => names.map((name) => [indicator, name] as const))
      .find(([indicator, name]) => !known.get(indicator)?.includes(name))
      ?.join(' ')
  );
}

function lackedBy(actor: RoleActor, draft: Draft): string | undefined {
  if (actor === 'installation') return undefined;
  const { permissions, api } = draft;
  const one = (own: string[], given: Role['api']): Held => ({
    owner: false,
    own,
    permissions: given,
  });
  return (
    permissions.find((name) => !covers(actor, one([name], {}))) ??
    Object.entries(api)
      .flatMap(([indicator, names]) => names.map((name) => [indicator, name] as const))
      .find(([indicator, name]) => !covers(actor, one([], { [indicator]: [name] })))
      ?.join(' ')
  );
}
