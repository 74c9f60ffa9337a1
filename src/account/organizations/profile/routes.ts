import type { Account, AccountParts } from '../../account.ts';
import type { OrganizationPages } from '../organization-pages.ts';
import { deleteOrganizationPages } from './delete-organization.ts';
import { type Openings, organizationListPages } from './list.ts';
import { newOrganizationPages } from './new-organization.ts';
import { overviewPages } from './overview.ts';
import { transferPages } from './transfer.ts';

/** The organizations of a person, and what each is called, who owns it and how it ends. */
export function organizationProfilePages(
  account: Account,
  pages: OrganizationPages,
  parts: AccountParts,
  openings: Openings,
): void {
  organizationListPages(account, parts, openings);
  // Before pages whose path says `:organization` in the place of `new`.
  newOrganizationPages(account, parts);
  overviewPages(account, pages, parts);
  transferPages(account, pages, parts);
  deleteOrganizationPages(account, pages, parts);
}
