/** What each kind of job is told. */
export type JobPayloads = {
  'delete-expired': Record<string, never>;
  'maintain-keys': Record<string, never>;
  /** Encrypted, because a mail can hold a code or link that opens an account. */
  'send-mail': { sealed: string };
  'send-sms': { sealed: string };
  'delete-users': Record<string, never>;
  'delete-organizations': Record<string, never>;
  'recheck-domains': Record<string, never>;
  'backchannel-logout': { clientId: string; sub: string; sid: string | undefined };
};

export type JobName = keyof JobPayloads;

/** What the queue tells of a job beside its payload. */
export type QueuedJob = { job: { created_at: Date } };

/** What does each kind of job. Throwing makes the queue try again later. */
export type Tasks = {
  [N in JobName]: (payload: JobPayloads[N], queued: QueuedJob) => Promise<void>;
};

/** When jobs run by themselves, as crontab lines; one replica of all runs each. */
export const SCHEDULE = [
  '*/10 * * * * delete-expired',
  '*/5 * * * * maintain-keys',
  // Before their owners: who has nothing left can go.
  '7 * * * * delete-organizations',
  '17 * * * * delete-users',
  // Each domain once a day; the rest of many is for the next hour.
  '27 * * * * recheck-domains',
].join('\n');
