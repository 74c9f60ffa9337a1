import type { Command } from 'commander';
import { transaction } from '../../db/pool.ts';
import type { Role } from '../../organizations/roles/store.ts';
import { updateRole } from '../../organizations/roles/update-role.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { describeRole, getRole, hold, refusal, type Whose, whose } from './named-role.ts';

type Change = (before: readonly string[], named: readonly string[]) => string[];

const give: Change = (before, named) => [...before, ...named];
const take: Change = (before, named) =>
  named.length === 0 ? [] : before.filter((name) => !named.includes(name));

/** `plinto role grant` and `revoke`: permissions of APIs, which `admin` and `member` can have too. */
export function grantCommands(command: (name: string, description: string) => Command): void {
  command('grant', 'let a role give permissions of an API; also admin and member')
    .argument('<key>', "the role's key")
    .argument('<indicator>', 'resource indicator of the API')
    .argument('<permission...>', 'names of its permissions')
    .action(onDatabase(changeWith(give)));
  command('revoke', 'take permissions of an API from a role: all, or those named')
    .argument('<key>', "the role's key")
    .argument('<indicator>', 'resource indicator of the API')
    .argument('[permission...]', 'names of its permissions')
    .action(onDatabase(changeWith(take)));
}

function changeWith(change: Change) {
  return async (
    { db, origin }: Session,
    key: string,
    indicator: string,
    named: string[],
    options: Whose,
  ): Promise<Answer> => {
    const organization = await whose(db, options);
    const { id } = await getRole(db, organization, key);
    const next = ({ api }: Role) => ({
      api: { ...api, [indicator]: change(api[indicator] ?? [], named) },
    });
    const result = await transaction(db, async (trx) => {
      await hold(trx, organization);
      const which = { organizationId: organization?.id ?? null, id };
      return updateRole(trx, origin, 'installation', which, next);
    });
    if (!result.ok) throw refusal(result, key);
    const names = result.role.api[indicator] ?? [];
    const says = names.length === 0 ? 'nothing' : names.join(' ');
    return {
      value: describeRole(result.role),
      lines: [`${key} now gives at ${indicator}: ${says}`],
    };
  };
}
