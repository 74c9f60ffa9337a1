import type { Knex } from 'knex';

/** People, their passwords, and what remembers failed tries. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE users (
      id uuid PRIMARY KEY,
      status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deactivated')),
      administrator boolean NOT NULL DEFAULT false,
      email text,
      email_verified_at timestamptz,
      username text,
      phone_number text,
      phone_number_verified_at timestamptz,
      name text,
      given_name text,
      family_name text,
      middle_name text,
      nickname text,
      profile text,
      picture text,
      website text,
      gender text,
      birthdate text,
      locale text,
      zoneinfo text,
      address jsonb,
      metadata jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK (email IS NOT NULL OR username IS NOT NULL),
      CHECK (username IS NULL OR username NOT LIKE '%@%')
    );
    CREATE UNIQUE INDEX users_email ON users (lower(email));
    CREATE UNIQUE INDEX users_username ON users (lower(username));

    CREATE TABLE passwords (
      user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
      hash text NOT NULL,
      changed_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE known_devices (
      device_hash bytea NOT NULL,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      first_seen_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (device_hash, user_id)
    );
    CREATE INDEX known_devices_user ON known_devices (user_id);

    CREATE TABLE throttles (
      key bytea PRIMARY KEY,
      failures integer NOT NULL,
      blocked_until timestamptz NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX throttles_updated ON throttles (updated_at);

    CREATE TABLE one_time_codes (
      id uuid PRIMARY KEY,
      purpose text NOT NULL,
      hash bytea NOT NULL UNIQUE,
      user_id uuid REFERENCES users ON DELETE CASCADE,
      attempts integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX one_time_codes_expiry ON one_time_codes (expires_at);
  `);
}
