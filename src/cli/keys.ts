import type { Command } from 'commander';
import { deleteKey, maintainKeys, rotateKeys } from '../oidc/keys/keys.ts';
import { type AgedKeyRow, listKeys } from '../oidc/keys/store.ts';
import { keyPolicy } from '../oidc/oidc.ts';
import { onDatabase, type Session } from './session.ts';
import type { Answer } from './terminal/output.ts';
import { span, table } from './terminal/table.ts';

/** `plinto keys …`: what tokens are signed and encrypted with. Private parts are never shown. */
export function keysCommands(group: Command): void {
  group
    .command('list')
    .description('list signing and encryption keys')
    .option('--json', 'print JSON')
    .action(onDatabase(list));
  group
    .command('rotate')
    .description('replace every key: the new ones are published first and sign later')
    .option('--now', 'sign with the new ones at once, for when a key leaked', false)
    .option('--json', 'print JSON')
    .action(onDatabase(rotate));
  group
    .command('delete')
    .description('take a replaced key out of use before its time, for when it leaked')
    .argument('<kid>', 'key id')
    // One in 64 thumbprints (RFC 7638) begins with a hyphen.
    .allowUnknownOption()
    .option('--json', 'print JSON')
    .action(onDatabase(remove));
}

async function list({ db, config }: Session): Promise<Answer> {
  const keys = (await listKeys(db)).map((row) => describe(row, config.keys.publishSeconds));
  if (keys.length === 0) {
    const lines = ['There are no keys yet: the first start of the server makes them.'];
    return { value: { items: [] }, lines };
  }
  const rows = keys.map((key) => [key.kid, key.slot, key.state, span(key.age), sinceWhen(key)]);
  return { value: { items: keys }, lines: table(['kid', 'slot', 'state', 'age', 'since'], rows) };
}

async function rotate(session: Session, options: { now: boolean }): Promise<Answer> {
  const { db, config, runtime, origin } = session;
  const policy = keyPolicy(config, runtime.keyring);
  // A database that never served has no current keys to replace.
  await maintainKeys(db, policy);
  await rotateKeys(db, policy, origin, options);
  const keys = (await listKeys(db)).map((row) => describe(row, config.keys.publishSeconds));
  const fresh = keys.filter(({ state }) => state === (options.now ? 'current' : 'next'));
  const when = options.now
    ? 'They sign from now on; tokens of the ones before still verify.'
    : `They sign from ${latest(fresh).toISOString()} on, if a server runs; it looks every five minutes.`;
  const rows = fresh.map(({ kid, slot, state }) => [kid, slot, state]);
  return {
    value: { items: fresh },
    lines: ['New keys are published:', ...table(['kid', 'slot', 'state'], rows), when],
  };
}

async function remove({ db, origin }: Session, kid: string): Promise<Answer> {
  switch (await deleteKey(db, origin, kid)) {
    case 'unknown':
      throw new Error(`there is no key ${kid}: \`plinto keys list\` shows which there are`);
    case 'in_use':
      throw new Error(`${kid} is in use: replace it first with \`plinto keys rotate --now\``);
    case 'deleted':
      return {
        value: { kid, deleted: true },
        lines: [`Deleted the key ${kid}: nothing it signed verifies any more.`],
      };
  }
}

/** Seconds count by the database's clock. */
function describe(row: AgedKeyRow, publishSeconds: number) {
  const { kid, slot, state, created_at, activated_at, retired_at } = row;
  const ripe = new Date(created_at.getTime() + publishSeconds * 1000);
  return {
    kid,
    slot,
    state,
    age: Math.floor(row.age),
    created_at,
    used_from: activated_at ?? (state === 'next' ? ripe : null),
    retired_at,
  };
}

type DescribedKey = ReturnType<typeof describe>;

function sinceWhen({ state, used_from, retired_at }: DescribedKey): string {
  if (state === 'previous') return `only verifies since ${retired_at?.toISOString()}`;
  const verb = state === 'next' ? 'in use from' : 'in use since';
  return used_from === null ? '' : `${verb} ${used_from.toISOString()}`;
}

function latest(keys: readonly DescribedKey[]): Date {
  return new Date(Math.max(...keys.map((key) => key.used_from?.getTime() ?? 0)));
}
