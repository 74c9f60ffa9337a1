import { type Command, InvalidArgumentError } from 'commander';
import { transaction } from '../../db/pool.ts';
import type { CreateResult } from '../../organizations/create-organization.ts';
import { MAX_NAME } from '../../organizations/name.ts';
import { lockOrganizationFor } from '../../organizations/store.ts';
import { changeOrganizationProfile } from '../../organizations/update-organization.ts';
import { onDatabase, type Session } from '../session.ts';
import type { Answer } from '../terminal/output.ts';
import { type BrandingOptions, brandingOptions, changeBranding, readBranding } from './branding.ts';
import { answer, getOrganization, ORGANIZATION } from './named-organization.ts';
import { changePolicies, type PolicyOptions, policyOptions } from './policies.ts';

/** Longest metadata, in characters of JSON. */
const MAX_METADATA = 16_384;

/** `plinto org update`. */
export function updateCommand(group: Command): void {
  const command = group
    .command('update')
    .description('change what an organization is called, looks like and asks of its members')
    .argument('<organization>', ORGANIZATION)
    .option('--name <name>', 'name that people are shown')
    .option('--slug <slug>', 'short name; the one before no longer works')
    .option('--metadata <json>', 'an object, in place of the one before', metadata);
  brandingOptions(policyOptions(command)).option('--json', 'print JSON').action(onDatabase(update));
}

type UpdateOptions = {
  name?: string;
  slug?: string;
  metadata?: Record<string, unknown>;
} & PolicyOptions &
  BrandingOptions;

async function update(session: Session, name: string, options: UpdateOptions): Promise<Answer> {
  const { db, origin } = session;
  const { json: _, ...asked } = options as UpdateOptions & { json?: boolean };
  if (Object.keys(asked).length === 0) {
    throw new Error('say what to change: see `plinto org update --help`');
  }
  const { id } = await getOrganization(db, name);
  const branding = await readBranding(session, options);
  const changed = await transaction(db, async (trx) => {
    const organization = await lockOrganizationFor(trx, id, undefined);
    if (organization === undefined) throw new Error('it was deleted just now');
    const { metadata } = options;
    const slug = options.slug?.trim().toLowerCase();
    const result = await changeOrganizationProfile(trx, origin, organization, {
      name: options.name,
      slug,
      metadata,
    });
    if (!result.ok) throw new Error(explainProfile(result.reason));
    await changePolicies(session, trx, result.organization, options);
    await changeBranding(session, trx, result.organization, branding);
    return getOrganization(trx, id);
  });
  return answer(changed, `Changed the organization ${changed.slug}.`);
}

/** Why an organization can't be called so, or have this owner. */
export function explainProfile(
  reason: Extract<CreateResult, { ok: false }>['reason'],
  owner = '',
): string {
  switch (reason) {
    case 'name_missing':
      return `--name needs 1 to ${MAX_NAME} characters`;
    case 'slug_invalid':
      return 'a slug has 1 to 63 small letters a-z, digits and inner dashes, and some words are reserved: choose another with --slug';
    case 'slug_taken':
      return 'another organization has this slug: choose another with --slug';
    case 'owner_unknown':
      return `${owner} isn't active: \`plinto user activate\` them first`;
  }
}

function metadata(text: string): Record<string, unknown> {
  const value = text.length > MAX_METADATA ? undefined : parse(text);
  // PostgreSQL can't store the character in JSON.
  if (typeof value !== 'object' || value === null || Array.isArray(value) || /\\u0000/.test(text)) {
    throw new InvalidArgumentError(
      `It must be a JSON object of at most ${MAX_METADATA} characters.`,
    );
  }
  return value as Record<string, unknown>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
