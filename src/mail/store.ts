import { v7 as uuid } from 'uuid';
import type { Db, Trx } from '../deps.ts';

/** A message that was kept instead of sent, in development. */
export type CaughtMessage = {
  id: string;
  channel: 'mail' | 'sms';
  recipient: string;
  subject: string | null;
  text: string;
  html: string | null;
  sent_at: Date;
};

/** How many are kept; older ones go. */
const KEPT = 200;

/** Keeps a message, and forgets the oldest of too many. */
export async function insertCaughtMessage(
  trx: Trx,
  message: Omit<CaughtMessage, 'id' | 'sent_at'>,
): Promise<void> {
  await trx('caught_messages').insert({ id: uuid(), ...message });
  await trx('caught_messages')
    .whereNotIn('id', trx('caught_messages').select('id').orderBy('id', 'desc').limit(KEPT))
    .delete();
}

/** All that are kept, newest first, without their bodies. */
export async function listCaughtMessages(db: Db): Promise<Omit<CaughtMessage, 'text' | 'html'>[]> {
  return db('caught_messages')
    .select('id', 'channel', 'recipient', 'subject', 'sent_at')
    .orderBy('id', 'desc');
}

/** One of them. */
export async function findCaughtMessage(db: Db, id: string): Promise<CaughtMessage | undefined> {
  return db('caught_messages').where({ id }).first();
}
