import { transaction } from '../../db/pool.ts';
import { momentFormat } from '../../users/moments.ts';
import type { User } from '../../users/store.ts';
import type { Account, AccountParts, Visit } from '../account.ts';
import {
  type Attribute,
  attributeField,
  type Choices,
  type ProfileProblem,
  readProfile,
  timeZones,
} from './read-profile.ts';
import { updateProfile } from './update-profile.ts';

/** The page that a person's account opens with: who they are, and how to reach them. */
export function profilePages(account: Account, parts: AccountParts): void {
  const choices = { languages: parts.renderer.languages, attributes: parts.profileAttributes };
  account.page('/', {}, (visit) => showProfile(parts, visit, choices, {}));
  account.action('/', {}, async (visit, form) => {
    const { user, origin } = visit;
    const read = readProfile(form, user, choices);
    const result = read.ok
      ? await transaction(parts.deps.db, (trx) => updateProfile(trx, origin, user.id, read.wish))
      : read;
    if (result.ok) return '?done=profile';
    await showProfile(parts, visit, choices, form, result.problem);
    return undefined;
  });
}

async function showProfile(
  parts: AccountParts,
  visit: Visit,
  choices: Choices,
  typed: Record<string, string>,
  error?: ProfileProblem,
): Promise<void> {
  const { user, ctx } = visit;
  const recovery = await parts.findRecovery(user);
  const locals = {
    error,
    values: { ...user, ...typed },
    attributes: choices.attributes.map((attribute) => describe(attribute, user, typed)),
    languages: languageNames(choices.languages, user),
    zones: withCurrent(timeZones(), user.zoneinfo),
    picture: ownPicture(parts.issuer, user),
    recoveryAt: recovery && momentFormat(parts.renderer.localeOf(ctx), user)(recovery),
    phoneOffered: parts.texter.enabled || user.phone_number !== null,
  };
  visit.show('account', locals, error === undefined ? 200 : 422);
}

function describe({ name, label }: Attribute, user: User, typed: Record<string, string>) {
  const field = attributeField(name);
  return { field, label, value: typed[field] ?? user.metadata.attributes?.[name] };
}

/** Language tags with what each language calls itself. */
function languageNames(languages: readonly string[], user: User): [tag: string, name: string][] {
  return withCurrent(languages, user.locale).map((tag) => [tag, nameOf(tag)]);
}

function nameOf(tag: string): string {
  try {
    return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
  } catch {
    // Administrators and imports can have written anything.
    return tag;
  }
}

function withCurrent(all: readonly string[], current: string | null): string[] {
  return current === null || all.includes(current) ? [...all] : [current, ...all];
}

/** The picture's address if it is one of ours: others would show somebody who looks at whom. */
export function ownPicture(issuer: string, user: Pick<User, 'picture'>): string | undefined {
  return user.picture?.startsWith(`${issuer}/pictures/`) ? user.picture : undefined;
}
