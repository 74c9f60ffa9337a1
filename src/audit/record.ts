import { channel } from 'node:diagnostics_channel';
import { v7 as uuid } from 'uuid';
import type { Trx } from '../deps.ts';
import type { AuditEvent, Origin } from './events.ts';
import { insertAuditEvent } from './store.ts';

/** Carries each event as it is written, for metrics. */
export const AUDIT_RECORDED = 'plinto:audit-recorded';

const recorded = channel(AUDIT_RECORDED);

/** Longest user agent kept; it is whatever the client sent. */
const MAX_USER_AGENT = 400;

/** Writes an event in the transaction of the change it tells of, or fails with it. */
export async function record(trx: Trx, origin: Origin, event: AuditEvent): Promise<void> {
  const { type, userId, clientId, organizationId, data } = event as {
    type: string;
    organizationId?: string;
    userId?: string;
    clientId?: string;
    data?: object;
  };
  await insertAuditEvent(trx, {
    id: uuid(),
    type,
    actor: origin.actor,
    user_id: userId ?? null,
    client_id: clientId ?? null,
    organization_id: organizationId ?? null,
    ip: origin.ip ?? null,
    user_agent: origin.userAgent?.slice(0, MAX_USER_AGENT) ?? null,
    request_id: origin.requestId ?? null,
    data: JSON.stringify(data ?? {}),
  });
  recorded.publish(event);
}
