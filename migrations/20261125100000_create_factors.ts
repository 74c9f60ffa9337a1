import type { Knex } from 'knex';

/** What people prove themselves with beside a password, and what is in between. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE users
      -- The second factors a person has turned on: kept by the triggers below, so that asking for the
      -- user tells them.
      ADD COLUMN factors text[] NOT NULL DEFAULT '{}',
      -- When they were last offered to create a passkey in passing.
      ADD COLUMN passkey_offered_at timestamptz;

    CREATE TABLE totp_credentials (
      user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
      id uuid NOT NULL UNIQUE,
      -- Encrypted; what the parameters of RFC 6238 are, for those that came from elsewhere.
      secret text NOT NULL,
      algorithm text NOT NULL DEFAULT 'sha1' CHECK (algorithm IN ('sha1', 'sha256', 'sha512')),
      digits integer NOT NULL DEFAULT 6 CHECK (digits BETWEEN 6 AND 8),
      period integer NOT NULL DEFAULT 30 CHECK (period BETWEEN 15 AND 120),
      -- The last time step of which a code was used: none up to it works again.
      last_step bigint,
      -- The sign-in or session it was used in: the same form, sent again there, is done with.
      last_request bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz
    );

    -- Secrets that are shown and not confirmed by a code yet, by the session or sign-in.
    CREATE TABLE totp_enrolments (
      request_hash bytea PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      secret text NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX totp_enrolments_user ON totp_enrolments (user_id);
    CREATE INDEX totp_enrolments_expiry ON totp_enrolments (expires_at);

    CREATE TABLE recovery_codes (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      hash bytea NOT NULL,
      -- The sign-in or session in which they were confirmed, for the same form sent again there.
      made_request bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      used_at timestamptz,
      -- The sign-in it was used in: the same form, sent again there, is done with.
      used_request bytea,
      PRIMARY KEY (user_id, hash)
    );

    -- Codes that are shown and not confirmed as kept yet; encrypted, and worth nothing before that.
    CREATE TABLE recovery_code_drafts (
      request_hash bytea PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      codes text NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX recovery_code_drafts_user ON recovery_code_drafts (user_id);
    CREATE INDEX recovery_code_drafts_expiry ON recovery_code_drafts (expires_at);

    CREATE TABLE passkeys (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      credential_id text NOT NULL UNIQUE,
      public_key bytea NOT NULL,
      sign_count bigint NOT NULL DEFAULT 0,
      transports text[] NOT NULL DEFAULT '{}',
      aaguid uuid NOT NULL,
      -- Flags BE and BS of the authenticator data (Web Authentication Level 3, §6.1.3).
      backup_eligible boolean NOT NULL,
      backed_up boolean NOT NULL,
      name text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz
    );
    CREATE INDEX passkeys_user ON passkeys (user_id);

    -- Challenges that were answered: the rest of what is known of them is in themselves.
    CREATE TABLE used_challenges (
      hash bytea PRIMARY KEY,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX used_challenges_expiry ON used_challenges (expires_at);

    -- Codes by text message or mail as a second factor.
    CREATE TABLE message_factors (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      channel text NOT NULL CHECK (channel IN ('sms', 'email')),
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz,
      PRIMARY KEY (user_id, channel)
    );

    -- When they last signed in there with a second factor: then it has a count of wrong codes of its own.
    ALTER TABLE known_devices ADD COLUMN second_factor_at timestamptz;

    -- Browsers that a second factor was given in, and need none for a while.
    CREATE TABLE trusted_devices (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      token_hash bytea NOT NULL UNIQUE,
      ip text,
      user_agent text,
      place text,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX trusted_devices_user ON trusted_devices (user_id);
    CREATE INDEX trusted_devices_expiry ON trusted_devices (expires_at);

    -- Set when the sign-in is complete: of forms sent at once, one completes it.
    ALTER TABLE login_attempts
      ADD COLUMN completed_at timestamptz,
      -- The browser said that it can keep passkeys.
      ADD COLUMN can_passkey boolean NOT NULL DEFAULT false;

    CREATE FUNCTION tell_factors() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        person uuid := coalesce(NEW.user_id, OLD.user_id);
        found text[];
      BEGIN
        -- Or of two that change at once, each would tell of its own alone.
        PERFORM FROM users WHERE id = person FOR NO KEY UPDATE;
        SELECT coalesce(array_agg(factor ORDER BY factor), '{}') INTO found FROM (
          SELECT 'totp' AS factor FROM totp_credentials WHERE user_id = person
          UNION SELECT 'passkey' FROM passkeys WHERE user_id = person
          UNION SELECT channel FROM message_factors WHERE user_id = person) AS every;
        UPDATE users SET factors = found WHERE id = person AND factors IS DISTINCT FROM found;
        -- A sheet of codes from before mustn't open what is turned on long after.
        IF found = '{}' THEN DELETE FROM recovery_codes WHERE user_id = person; END IF;
        RETURN NULL;
      END $$;
    CREATE TRIGGER totp_credentials_tell AFTER INSERT OR DELETE ON totp_credentials
      FOR EACH ROW EXECUTE FUNCTION tell_factors();
    CREATE TRIGGER passkeys_tell AFTER INSERT OR DELETE ON passkeys
      FOR EACH ROW EXECUTE FUNCTION tell_factors();
    CREATE TRIGGER message_factors_tell AFTER INSERT OR DELETE ON message_factors
      FOR EACH ROW EXECUTE FUNCTION tell_factors();
  `);
}
