import type { Knex } from 'knex';

/**
 * What oidc-provider stores. `id` is the SHA-256 of the bearer value, except in oidc_grants, whose
 * ids open nothing. `client_id` has no foreign key: a client known by its metadata document has no
 * row in clients. Deleting one that has a row ends its rows here by trigger.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE oidc_grants (
      id text PRIMARY KEY,
      account_id uuid REFERENCES users ON DELETE CASCADE,
      client_id text NOT NULL,
      payload json NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX oidc_grants_account ON oidc_grants (account_id);
    CREATE INDEX oidc_grants_client ON oidc_grants (client_id);
    CREATE INDEX oidc_grants_expiry ON oidc_grants (expires_at);

    CREATE TABLE oidc_sessions (
      id bytea PRIMARY KEY,
      uid text NOT NULL,
      account_id uuid REFERENCES users ON DELETE CASCADE,
      payload json NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX oidc_sessions_uid ON oidc_sessions (uid);
    CREATE INDEX oidc_sessions_account ON oidc_sessions (account_id);
    CREATE INDEX oidc_sessions_expiry ON oidc_sessions (expires_at);

    CREATE TABLE oidc_refresh_tokens (
      id bytea PRIMARY KEY,
      grant_id text NOT NULL REFERENCES oidc_grants ON DELETE CASCADE,
      account_id uuid REFERENCES users ON DELETE CASCADE,
      client_id text NOT NULL,
      payload json NOT NULL,
      consumed_at timestamptz,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX oidc_refresh_tokens_grant ON oidc_refresh_tokens (grant_id);
    CREATE INDEX oidc_refresh_tokens_account ON oidc_refresh_tokens (account_id);
    CREATE INDEX oidc_refresh_tokens_client ON oidc_refresh_tokens (client_id);
    CREATE INDEX oidc_refresh_tokens_expiry ON oidc_refresh_tokens (expires_at);

    CREATE TABLE oidc_artifacts (
      id bytea PRIMARY KEY,
      model text NOT NULL,
      grant_id text,
      account_id uuid REFERENCES users ON DELETE CASCADE,
      client_id text,
      user_code text,
      payload json NOT NULL,
      consumed_at timestamptz,
      expires_at timestamptz
    );
    CREATE INDEX oidc_artifacts_grant ON oidc_artifacts (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX oidc_artifacts_account ON oidc_artifacts (account_id) WHERE account_id IS NOT NULL;
    CREATE INDEX oidc_artifacts_client ON oidc_artifacts (client_id) WHERE client_id IS NOT NULL;
    CREATE UNIQUE INDEX oidc_artifacts_user_code ON oidc_artifacts (user_code) WHERE user_code IS NOT NULL;
    CREATE INDEX oidc_artifacts_expiry ON oidc_artifacts (expires_at);

    CREATE FUNCTION end_client_state() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM oidc_artifacts WHERE client_id = OLD.id;
        DELETE FROM oidc_refresh_tokens WHERE client_id = OLD.id;
        DELETE FROM oidc_grants WHERE client_id = OLD.id;
        RETURN OLD;
      END $$;
    CREATE TRIGGER clients_end_state AFTER DELETE ON clients
      FOR EACH ROW EXECUTE FUNCTION end_client_state();

    CREATE TABLE login_attempts (
      -- SHA-256 of the interaction's uid.
      id bytea PRIMARY KEY,
      -- The person chose to go on as somebody else than who is signed in.
      switched boolean NOT NULL DEFAULT false,
      identifier text,
      proofs jsonb NOT NULL DEFAULT '[]',
      error text,
      -- When a person who tried too often may try again.
      retry_at timestamptz,
      -- How the person ended it, if not by a proof.
      decision text CHECK (decision IN ('agreed', 'denied', 'aborted')),
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX login_attempts_expiry ON login_attempts (expires_at);
  `);
}
