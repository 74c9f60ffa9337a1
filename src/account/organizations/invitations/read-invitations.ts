import { validate as isUuid, v7 as uuid } from 'uuid';
import { readDigits } from '../../../mfa/read-digits.ts';

/** What was typed into the form that invites people. */
export type TypedInvitations = {
  /** Names the form, so that it is sent once however often. */
  form: string;
  /** As they were typed. */
  text: string;
  addresses: string[];
  roleIds: string[];
  message: string;
  /** NaN for what is no number. */
  days: number;
  clientId: string | undefined;
};

/** Days that an invitation works unless somebody says else. */
export const DAYS = 7;

/** Reads a form; roles are fields of their own, named by their ids. */
export function readInvitations(
  form: Record<string, string>,
  roleIds: readonly string[],
): TypedInvitations {
  const { addresses: text = '', message = '', app = '', form: id = '' } = form;
  const days = readDigits(form.days ?? String(DAYS));
  return {
    form: isUuid(id) ? id.toLowerCase() : uuid(),
    text,
    addresses: text
      .split(/[\n\r,;]/)
      // As mail programs write them: Ada Lovelace <ada@example.com>.
      .map((entry) => (/<([^<>]+)>\s*$/.exec(entry)?.[1] ?? entry).trim())
      .filter((address) => address !== ''),
    roleIds: roleIds.filter((role) => form[role] !== undefined),
    message,
    days: /^\d{1,3}$/.test(days) ? Number(days) : Number.NaN,
    clientId: app === '' ? undefined : app,
  };
}
