import type { Command } from 'commander';
import { accessCommands } from './access.ts';
import { inviteCommand } from './invite.ts';
import { resetPasswordCommand } from './reset-password.ts';
import { profileCommands } from './update.ts';

/** What people do on their account pages, done for them; and inviting them. */
export function accountCommands(group: Command): void {
  inviteCommand(group);
  profileCommands(group);
  resetPasswordCommand(group);
  accessCommands(group);
}
