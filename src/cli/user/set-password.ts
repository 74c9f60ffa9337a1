import { type Command, Option } from 'commander';
import { transaction } from '../../db/pool.ts';
import { removeCodes } from '../../one-time-codes/store.ts';
import { setPassword } from '../../password/set-password.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { answer, getUser, nameOf, WHO } from './named-user.ts';
import { importedHash, typedPassword } from './typed-password.ts';

/** `plinto user set-password`. */
export function setPasswordCommand(group: Command): void {
  group
    .command('set-password')
    .description('set a password and sign the user out everywhere; asks for the password')
    .argument('<user>', WHO)
    .option('--password-stdin', 'read the password from standard input', false)
    .addOption(
      new Option('--hash-stdin', "read another system's hash of it from standard input")
        .default(false)
        .conflicts('passwordStdin'),
    )
    .option('--temporary', 'the user has to choose another when they sign in with it', false)
    .option('--json', 'print JSON')
    .action(onDatabase(changePassword));
}

type Options = { passwordStdin: boolean; hashStdin: boolean; temporary: boolean };

async function changePassword(session: Session, who: string, options: Options): Promise<Answer> {
  const { db, origin } = session;
  const user = await getUser(db, who);
  const password = options.hashStdin
    ? await importedHash()
    : await typedPassword(session, user, options.passwordStdin);
  await transaction(db, async (trx) => {
    // Links that were mailed before would set another.
    await removeCodes(trx, user.id);
    await setPassword(trx, origin, user, password, { mustChange: options.temporary });
  });
  const what = options.temporary ? 'a temporary password' : 'the password';
  return answer(user, `Set ${what} of ${nameOf(user)}, who is signed out everywhere.`);
}
