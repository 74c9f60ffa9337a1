import type { Command } from 'commander';
import { transaction } from '../db/pool.ts';
import { setPassword } from '../password/set-password.ts';
import { type CreateUserResult, createUser, type UserProfile } from '../users/create-user.ts';
import { activateUser, suspendUser } from '../users/set-status.ts';
import { listUsers, type User } from '../users/store.ts';
import { onDatabase, type Session } from './session.ts';
import type { Answer } from './terminal/output.ts';
import { checkAfterId, listAnswer, type Page, pageOf, pagingOptions } from './terminal/paging.ts';
import { details } from './terminal/table.ts';
import { accountCommands } from './user/account-commands.ts';
import { describeFactors, factorLines } from './user/mfa/describe-factors.ts';
import { answer, describe, getUser, nameOf, WHO } from './user/named-user.ts';
import { setPasswordCommand } from './user/set-password.ts';
import { typedPassword } from './user/typed-password.ts';

/** `plinto user …`: people who sign in. */
export function userCommands(group: Command): void {
  group
    .command('create')
    .description('create a user; asks for the password')
    .option('--email <address>', 'email address')
    .option('--username <name>', 'username')
    .option('--email-verified', 'you vouch that the address is theirs', false)
    .option('--administrator', 'may administer this installation', false)
    .option('--name <name>', 'full name')
    .option('--given-name <name>', 'given name')
    .option('--family-name <name>', 'family name')
    .option('--locale <tag>', 'language, such as en or de')
    .option('--zoneinfo <zone>', 'time zone, such as Europe/Berlin')
    .option('--password-stdin', 'read the password from standard input', false)
    .option('--no-password', 'create the user without a password')
    .option('--json', 'print JSON')
    .action(onDatabase(create));
  pagingOptions(group.command('list'))
    .description('list users in order of creation')
    .option('--search <text>', 'only those whose address or username begins so')
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('show')
    .description('show a user')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(show));
  group
    .command('suspend')
    .description('sign a user out everywhere and refuse them everywhere')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(suspend));
  group
    .command('activate')
    .description('let a suspended user sign in again')
    .argument('<user>', WHO)
    .option('--json', 'print JSON')
    .action(onDatabase(activate));
  setPasswordCommand(group);
  accountCommands(group);
}

type CreateOptions = {
  email?: string;
  username?: string;
  emailVerified: boolean;
  administrator: boolean;
  name?: string;
  givenName?: string;
  familyName?: string;
  locale?: string;
  zoneinfo?: string;
  passwordStdin: boolean;
  password: boolean;
};

async function create(session: Session, options: CreateOptions): Promise<Answer> {
  const { email, username, emailVerified, administrator } = options;
  if (!email && !username) throw new Error('name the user with --email, --username or both');
  const profile = Object.fromEntries(
    Object.entries({
      name: options.name,
      given_name: options.givenName,
      family_name: options.familyName,
      locale: options.locale,
      zoneinfo: options.zoneinfo,
    }).filter(([, value]) => value !== undefined),
  ) as UserProfile;
  const person = { email: email ?? null, username: username ?? null, name: options.name ?? null };
  const password = options.password
    ? await typedPassword(session, person, options.passwordStdin)
    : undefined;
  const user = await transaction(session.db, async (trx) => {
    const result = await createUser(trx, session.origin, {
      email,
      username,
      emailVerified,
      administrator,
      profile,
    });
    if (!result.ok) throw new Error(REFUSALS[result.reason]);
    if (password) await setPassword(trx, session.origin, result.user, password);
    return result.user;
  });
  return answer(user, `Created the user ${nameOf(user)}.`);
}

const REFUSALS: Record<Extract<CreateUserResult, { ok: false }>['reason'], string> = {
  identifier_missing: 'name the user with --email, --username or both',
  email_invalid: 'this is not one plain email address: check --email',
  email_taken: 'somebody has this email address already: see `plinto user list --search`',
  username_invalid: 'a username has 1 to 64 letters, digits and inner dots, dashes or underscores',
  username_taken: 'somebody has this username already: choose another',
};

async function list({ db }: Session, options: Page & { search?: string }): Promise<Answer> {
  checkAfterId(options);
  const page = await pageOf(options, (p) => listUsers(db, { ...p, search: options.search }), idOf);
  const columns = ['id', 'email', 'username', 'name', 'status', 'administrator'];
  return listAnswer({ ...page, items: page.items.map(describe) }, columns, 'There are no users.');
}

async function show({ db }: Session, who: string): Promise<Answer> {
  const user = describe(await getUser(db, who));
  const mfa = await describeFactors(db, user.id);
  return { value: { ...user, mfa }, lines: [...details(user), ...factorLines(mfa)] };
}

async function suspend({ db, origin }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  if (user.status === 'suspended') return answer(user, `${nameOf(user)} is suspended already.`);
  await transaction(db, (trx) => suspendUser(trx, origin, user));
  const suspended = await getUser(db, user.id);
  return answer(suspended, `Suspended ${nameOf(user)}, who is signed out everywhere.`);
}

async function activate({ db, origin }: Session, who: string): Promise<Answer> {
  const user = await getUser(db, who);
  if (user.status === 'active') return answer(user, `${nameOf(user)} is active already.`);
  await transaction(db, (trx) => activateUser(trx, origin, user));
  return answer(await getUser(db, user.id), `${nameOf(user)} can sign in again.`);
}

const idOf = (user: User): string => user.id;
