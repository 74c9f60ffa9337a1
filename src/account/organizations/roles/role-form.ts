import type { Db } from '../../../deps.ts';
import { covers, type Held, OWN_PERMISSIONS } from '../../../organizations/permissions.ts';
import type { RoleWish } from '../../../organizations/roles/read-role.ts';
import type { Role } from '../../../organizations/roles/store.ts';
import { listOrganizationResources } from '../../../resources/store.ts';
import { unknownField } from '../../unknown-fields.ts';

/** A role as its form has it; `checked` holds permissions as {@link valuesOf} writes them. */
export type RoleValues = { name: string; key: string; description: string; checked: Set<string> };

/** What is wrong with a form. */
export type FormProblem = { key: string; field?: string | undefined; detail?: string | undefined };

/** The number tells fields apart and means nothing: what is chosen is in the value. */
const PERMISSION_FIELD = /^permission-\d{1,4}$/;

const FIELD_OF: Readonly<Record<string, string>> = {
  name_missing: 'name',
  description_long: 'description',
  key_invalid: 'key',
  key_taken: 'key',
};

/** The form of a new role. */
export const EMPTY: RoleValues = { name: '', key: '', description: '', checked: new Set() };

/** What was typed, and what it asks for; `problem` names a field that the form doesn't have. */
export function readRoleForm(
  form: Readonly<Record<string, string>>,
  known: readonly string[],
): { values: RoleValues; wish: RoleWish & { key: string }; problem?: FormProblem } {
  const { name = '', key = '', description = '', ...rest } = form;
  const chosen = Object.entries(rest).filter(([field]) => PERMISSION_FIELD.test(field));
  const checked = new Set(chosen.map(([, value]) => value));
  const unknown = unknownField(form, [...known, ...chosen.map(([field]) => field)]);
  const values = { name, key, description, checked };
  return {
    values,
    wish: { name, key, description, ...permissionsOf(checked) },
    ...(unknown === undefined ? {} : { problem: { key: 'unknown_field', field: unknown } }),
  };
}

/** What a refusal says, and of which field. */
export function problemOf({ reason, detail }: { reason: string; detail?: string }): FormProblem {
  return { key: reason, field: FIELD_OF[reason], detail };
}

/** A role as its form shows it. */
export function valuesOf({ name, key, description, permissions, api }: Role): RoleValues {
  const ofApis = Object.entries(api).flatMap(([indicator, names]) =>
    names.map((one) => `${indicator} ${one}`),
  );
  return {
    name,
    key,
    description: description ?? '',
    checked: new Set([...permissions, ...ofApis]),
  };
}

/** Neither an indicator nor a permission has a space in it. */
function permissionsOf(checked: ReadonlySet<string>): Pick<RoleWish, 'permissions' | 'api'> {
  const api = new Map<string, string[]>();
  for (const value of checked) {
    const [indicator = '', name] = value.split(' ', 2);
    if (name !== undefined) api.set(indicator, [...(api.get(indicator) ?? []), name]);
  }
  return {
    permissions: [...checked].filter((value) => !value.includes(' ')),
    api: Object.fromEntries(api),
  };
}

/** Everything that a role can allow, with whether it does, and whether its reader may say so. */
export async function choicesOf(db: Db, actor: Held, { checked }: Pick<RoleValues, 'checked'>) {
  let field = 0;
  const choice = (value: string, held: boolean) => {
    field += 1;
    return { field: `permission-${field}`, value, checked: checked.has(value), held };
  };
  const given = (name: string) => ({ owner: false, own: [name], permissions: {} });
  const own = OWN_PERMISSIONS.map((name) => ({
    name,
    ...choice(name, covers(actor, given(name))),
  }));
  const apis = (await listOrganizationResources(db)).map(({ indicator, name, permissions }) => ({
    name,
    permissions: permissions.map((one) => {
      const alone = { owner: false, own: [], permissions: { [indicator]: [one.name] } };
      return { ...one, ...choice(`${indicator} ${one.name}`, covers(actor, alone)) };
    }),
  }));
  return { own, apis };
}
