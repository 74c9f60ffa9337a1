import type { Account, AccountParts } from './account.ts';
import { activityPages } from './activity/activity.ts';
import { appPages } from './apps/apps.ts';
import { dataPages } from './data/data.ts';
import { deletionPages } from './deletion/deletion.ts';
import { devicePages } from './devices/devices.ts';
import { sessionPages } from './sessions/sessions.ts';

/** The pages that tell a person who may do what with their account, and what happened. */
export function securityPages(account: Account, parts: AccountParts): void {
  sessionPages(account, parts);
  devicePages(account, parts);
  appPages(account, parts);
  activityPages(account, parts);
  dataPages(account, parts);
  deletionPages(account, parts);
}
