import { transaction } from '../../src/db/pool.ts';
import { createMailer, type Mail } from '../../src/mail/mail.ts';
import type { TestApp } from '../support/app.ts';

/** Queues a mail in a transaction of its own, as a slice does. */
export function queueMail(app: Pick<TestApp, 'runtime'>, mail: Mail): Promise<void> {
  const mailer = createMailer({ enabled: true, boxKeys: app.runtime.keyring.box });
  return transaction(app.runtime.deps.db, (trx) => mailer.queue(trx, mail));
}

/** A mail with a code and a link. */
export function codeMail(app: Pick<TestApp, 'issuer'>, to: string | undefined): Mail {
  return {
    template: 'sign-up-code',
    to,
    locale: 'en',
    vars: { code: '12345678', url: `${app.issuer}/verify-email/secret-token` },
  };
}

/** What the queue holds for mails that weren't sent yet. */
export async function queuedMails(
  app: Pick<TestApp, 'runtime'>,
): Promise<{ attempts: number; last_error: string | null; payload: unknown }[]> {
  const { rows } = await app.runtime.deps.db.raw(
    `SELECT attempts, last_error, payload FROM graphile_worker._private_jobs AS jobs
      JOIN graphile_worker._private_tasks AS tasks ON tasks.id = jobs.task_id
      WHERE identifier = 'send-mail' ORDER BY jobs.id`,
  );
  return rows;
}

/** What waits to be tried again is due now, and the queue is told. */
export async function makeDue(app: TestApp): Promise<void> {
  await app.runtime.deps.db.raw(
    `WITH due AS (UPDATE graphile_worker._private_jobs SET run_at = now()
      WHERE locked_at IS NULL RETURNING id) SELECT pg_notify('jobs:insert', '{"count":1}') FROM due`,
  );
}
