import type { Knex } from 'knex';

/** What sign-up, recovery and the account pages keep. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE users
      ADD COLUMN terms_accepted_at timestamptz,
      -- Set when the person asked for their account to be deleted; signing in clears it.
      ADD COLUMN delete_after timestamptz;
    CREATE INDEX users_delete_after ON users (delete_after) WHERE delete_after IS NOT NULL;

    -- The password only leads to choosing another.
    ALTER TABLE passwords ADD COLUMN must_change boolean NOT NULL DEFAULT false;

    -- hash is that of the link's token; the code beside it is short, so its hash is keyed.
    ALTER TABLE one_time_codes
      ADD COLUMN code_hash text,
      -- Hash of what the code was asked in: an interaction, a session.
      ADD COLUMN request_hash bytea,
      -- Where the code was sent.
      ADD COLUMN address text,
      ADD COLUMN data jsonb NOT NULL DEFAULT '{}',
      ADD COLUMN used_at timestamptz;
    CREATE INDEX one_time_codes_user ON one_time_codes (user_id, purpose);
    CREATE INDEX one_time_codes_address ON one_time_codes (lower(address), purpose);
    CREATE INDEX one_time_codes_request ON one_time_codes (request_hash, purpose);

    ALTER TABLE login_attempts
      -- The page a person is at, where proofs don't say: a code is on its way to them, say.
      ADD COLUMN step text,
      -- The page that the error is about, where it isn't the sign-in form.
      ADD COLUMN error_page text,
      -- What they typed there, to be shown again; never a secret.
      ADD COLUMN form jsonb NOT NULL DEFAULT '{}';

    CREATE INDEX known_devices_seen ON known_devices (last_seen_at);

    -- One row a browser session, told by the row of oidc_sessions that has its uid.
    CREATE TABLE sign_ins (
      session_uid text PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      acr text,
      amr jsonb NOT NULL DEFAULT '[]',
      signed_in_at timestamptz NOT NULL,
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      ip text,
      user_agent text,
      place text,
      -- Set when the session was ended, so that a request under way doesn't store it again.
      ended_at timestamptz
    );
    CREATE INDEX sign_ins_user ON sign_ins (user_id);
    CREATE INDEX sign_ins_seen ON sign_ins (last_seen_at);

    -- What a person agreed to for an app, until they take it back. No foreign key to clients: one
    -- known by its metadata document has no row there.
    CREATE TABLE consents (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      client_id text NOT NULL,
      scopes text[] NOT NULL DEFAULT '{}',
      claims text[] NOT NULL DEFAULT '{}',
      -- Scopes by API: {indicator: [scope]}.
      resources jsonb NOT NULL DEFAULT '{}',
      granted_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (user_id, client_id)
    );
    CREATE INDEX consents_client ON consents (client_id);
    CREATE FUNCTION end_client_consents() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM consents WHERE client_id = OLD.id;
        RETURN OLD;
      END $$;
    CREATE TRIGGER clients_end_consents AFTER DELETE ON clients
      FOR EACH ROW EXECUTE FUNCTION end_client_consents();

    CREATE TABLE pictures (
      -- Random: it is the picture's address.
      id text PRIMARY KEY,
      user_id uuid NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
      content bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );

    -- In development, what would have been sent.
    CREATE TABLE caught_messages (
      id uuid PRIMARY KEY,
      channel text NOT NULL CHECK (channel IN ('mail', 'sms')),
      recipient text NOT NULL,
      subject text,
      text text NOT NULL,
      html text,
      sent_at timestamptz NOT NULL DEFAULT now()
    );
  `);
}
