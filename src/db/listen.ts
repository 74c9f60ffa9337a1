import pg from 'pg';
import type { Logger } from 'pino';

/** Tables whose rows every process keeps in memory. */
export type ChangedTable =
  | 'clients'
  | 'client_secrets'
  | 'resources'
  | 'client_permissions'
  | 'signing_keys';

export type Listener = {
  /** False while notifications may be missed: don't trust what is kept in memory. */
  connected: () => boolean;
  stop: () => Promise<void>;
};

const RETRY_MS = 1000;

/**
 * Hears of changes on a connection of its own. Calls `onChange` with the table, or with undefined
 * when something may have been missed (each time the connection is made).
 */
export async function listenForChanges(
  url: string,
  log: Logger,
  onChange: (table: ChangedTable | undefined) => void,
): Promise<Listener> {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let connected = false;
  let stopped = false;

  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString: url,
      application_name: 'plinto listen',
      connectionTimeoutMillis: 2000,
      keepAlive: true,
    });
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next));
    next.on('notification', ({ payload }) => onChange(payload as ChangedTable));
    client = next;
    try {
      await next.connect();
      await next.query('LISTEN plinto_changed');
      connected = true;
      onChange(undefined);
    } catch (error) {
      lost(next, error as Error);
    }
  };
  const lost = (which: pg.Client, error?: Error): void => {
    if (which !== client || stopped) return;
    client = undefined;
    connected = false;
    if (error) log.warn({ err: error }, 'lost the connection that hears of changes');
    which.end().catch(() => {});
    timer = setTimeout(() => void connect(), RETRY_MS);
  };

  await connect();
  return {
    connected: () => connected,
    stop: async () => {
      stopped = true;
      connected = false;
      clearTimeout(timer);
      await client?.end().catch(() => {});
    },
  };
}
