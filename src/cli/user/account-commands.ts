import type { Command } from 'commander';
import { accessCommands } from './access.ts';
import { activityCommand } from './activity.ts';
import { deletionCommands } from './delete.ts';
import { exportCommand } from './export.ts';
import { inviteCommand } from './invite.ts';
import { resetMfaCommand } from './mfa/reset-mfa.ts';
import { profileCommands } from './profile/update.ts';
import { resetPasswordCommand } from './reset-password.ts';

/** What people do on their account pages, done for them; and inviting them. */
export function accountCommands(group: Command): void {
  inviteCommand(group);
  profileCommands(group);
  resetPasswordCommand(group);
  resetMfaCommand(group);
  accessCommands(group);
  activityCommand(group);
  exportCommand(group);
  deletionCommands(group);
}
