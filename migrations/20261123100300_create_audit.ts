import type { Knex } from 'knex';

/** The audit log, which nobody rewrites: not even the application's own role, short of DDL. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE audit_events (
      id uuid PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT now(),
      type text NOT NULL,
      -- Who did it: 'user:<id>', 'client:<id>', 'cli:<login name>' or 'system'.
      actor text NOT NULL,
      -- No foreign keys: the log outlives what it tells of.
      user_id uuid,
      client_id text,
      ip text,
      user_agent text,
      request_id text,
      data jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX audit_events_user ON audit_events (user_id, id);
    CREATE INDEX audit_events_client ON audit_events (client_id, id);
    CREATE INDEX audit_events_type ON audit_events (type, id);

    CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
      END $$;
    CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
  `);
}
