import type { Command } from 'commander';
import { takePictureOf } from '../../../account/profile/change-picture.ts';
import {
  attributeField,
  type ProfileProblem,
  readProfile,
} from '../../../account/profile/read-profile.ts';
import { changeProfile } from '../../../account/profile/update-profile.ts';
import { transaction } from '../../../db/pool.ts';
import type { Trx } from '../../../deps.ts';
import { proveAddress } from '../../../recovery/prove-address.ts';
import { lockUser, type User } from '../../../users/store.ts';
import { onDatabase, type Session } from '../../session.ts';
import type { Answer } from '../../terminal/output.ts';
import { collect } from '../../terminal/paging.ts';
import { answer, getUser, nameOf, WHO } from '../named-user.ts';
import { type ContactOptions, readContact, updateContact } from './contact.ts';

/** `plinto user update` and what else is known of a user: `verify-email`, `remove-picture`. */
export function profileCommands(group: Command): void {
  group
    .command('update')
    .description('change what is known of a user; an empty value takes it away')
    .argument('<user>', WHO)
    .option('--email <address>', 'email address; the one before is told')
    .option('--email-verified', 'you vouch that the address is theirs', false)
    .option('--username <name>', 'username')
    .option('--name <name>', 'full name')
    .option('--given-name <name>', 'given name')
    .option('--family-name <name>', 'family name')
    .option('--nickname <name>', 'nickname')
    .option('--locale <tag>', 'language, such as en or de')
    .option('--zoneinfo <zone>', 'time zone, such as Europe/Berlin')
    .option('--phone-number <number>', 'phone number with its country code')
    .option('--phone-verified', 'you vouch that the number is theirs', false)
    .option(
      '--attribute <name=value>',
      'a field of PROFILE_ATTRIBUTES; may be given several times',
      collect,
    )
    .option('--json', 'print JSON')
    .action(onDatabase(update));
  group
    .command('verify-email')
    .description('vouch that the email address of a user is theirs')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(verifyEmail));
  group
    .command('remove-picture')
    .description("take a user's picture away")
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(removePicture));
}

type UpdateOptions = ContactOptions & {
  username?: string;
  name?: string;
  givenName?: string;
  familyName?: string;
  nickname?: string;
  locale?: string;
  zoneinfo?: string;
  attribute?: string[];
};

async function update(session: Session, who: string, options: UpdateOptions): Promise<Answer> {
  const { db } = session;
  const user = await getUser(db, who);
  const form = { ...profileForm(options), ...attributeForm(session, options.attribute ?? []) };
  const contact = readContact(options);
  const { email, phone } = contact;
  if (Object.keys(form).length === 0 && email === undefined && phone === undefined) {
    throw new Error('say what to change, such as --given-name (--help lists it all)');
  }
  await transaction(db, async (trx) => {
    const held = await lockUser(trx, user.id);
    if (held === undefined) throw new Error(`${nameOf(user)} was deleted meanwhile`);
    await updateProfileOf(session, trx, held, form);
    const changed = await lockUser(trx, user.id);
    await updateContact(session, trx, changed ?? held, contact);
  });
  const updated = await getUser(db, user.id);
  return answer(updated, `Changed ${nameOf(updated)}.`);
}

async function verifyEmail({ db, origin }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  if (user.email === null) {
    throw new Error(
      `${nameOf(user)} has no email address: \`plinto user update --email\` sets one`,
    );
  }
  await transaction(db, async (trx) => {
    const held = await lockUser(trx, user.id);
    if (held !== undefined) await proveAddress(trx, origin, held);
  });
  return answer(await getUser(db, user.id), `The address ${user.email} is verified.`);
}

async function removePicture({ db, origin }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  const removed = await transaction(db, async (trx) => {
    const held = await lockUser(trx, user.id);
    return held !== undefined && (await takePictureOf(trx, origin, held));
  });
  const line = removed ? `Removed the picture of ${nameOf(user)}.` : `${nameOf(user)} has none.`;
  return answer(await getUser(db, user.id), line);
}

async function updateProfileOf(
  { config, origin }: Session,
  trx: Trx,
  user: User,
  form: Record<string, string>,
): Promise<void> {
  // An administrator may give any language; pages and mails take the nearest that there is.
  const languages = form.locale === undefined ? [] : [form.locale];
  const read = readProfile(form, user, { languages, attributes: config.profileAttributes });
  const result = read.ok ? await changeProfile(trx, origin, user, read.wish) : read;
  if (!result.ok) throw new Error(describeProblem(result.problem));
}

/** What was asked for, under the names that the profile's form has. */
function profileForm(options: UpdateOptions): Record<string, string> {
  const { locale } = options;
  const fields = {
    username: options.username,
    name: options.name,
    given_name: options.givenName,
    family_name: options.familyName,
    nickname: options.nickname,
    locale: locale === undefined ? undefined : languageTag(locale),
    zoneinfo: options.zoneinfo,
  };
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined),
  );
}

/** A language tag as BCP 47 §4.5 writes it. @throws Error for what is none. */
function languageTag(text: string): string {
  try {
    return text.trim() === '' ? '' : String(Intl.getCanonicalLocales(text.trim())[0]);
  } catch {
    throw new Error(`--locale ${text} is no language tag, such as en or de-AT`);
  }
}

function attributeForm({ config }: Session, given: readonly string[]): Record<string, string> {
  const known = config.profileAttributes.map(({ name }) => name);
  return Object.fromEntries(
    given.map((text) => {
      const [, name = text, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
      if (value === undefined) throw new Error(`--attribute ${text} lacks a value: name=value`);
      if (!known.includes(name)) {
        const are = known.length === 0 ? 'is empty' : `has ${known.join(', ')}`;
        throw new Error(`there is no attribute ${name}: PROFILE_ATTRIBUTES ${are}`);
      }
      return [attributeField(name), value];
    }),
  );
}

function describeProblem({ field, key }: ProfileProblem): string {
  const option = field.startsWith('attribute_')
    ? `--attribute ${field.slice('attribute_'.length)}`
    : `--${field.replaceAll('_', '-')}`;
  return `${option} ${PROBLEMS[key]}`;
}

const PROBLEMS: Record<ProfileProblem['key'], string> = {
  unknown_field: 'is not known',
  too_long: 'has more than 200 characters: make it shorter',
  username_invalid: 'must have 1 to 64 letters, digits and inner dots, dashes or underscores',
  username_missing: 'can not be taken away from somebody who has no email address',
  not_a_choice: 'is not known: time zones are called as in Europe/Berlin',
  username_taken: 'is the name of somebody else: choose another',
};
