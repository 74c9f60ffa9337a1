import type { Trx } from '../deps.ts';

export type AuditRow = {
  id: string;
  type: string;
  actor: string;
  user_id: string | null;
  client_id: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  data: string;
};

/** Appends a row to the audit log. */
export async function insertAuditEvent(trx: Trx, row: AuditRow): Promise<void> {
  await trx('audit_events').insert(row);
}
