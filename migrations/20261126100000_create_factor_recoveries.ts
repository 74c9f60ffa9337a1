import type { Knex } from 'knex';

/** People who lost their second factors, and wait to get in without them. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE factor_recoveries (
      user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
      -- Of the link that cancels it.
      token_hash bytea NOT NULL UNIQUE,
      started_at timestamptz NOT NULL DEFAULT now(),
      -- From then on it can be finished, until it expires.
      ready_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      cancelled_at timestamptz
    );
    CREATE INDEX factor_recoveries_expiry ON factor_recoveries (expires_at);
  `);
}
