import type { Knex } from 'knex';

/** Applications, the APIs they call, and the keys their tokens are signed with. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE clients (
      id text PRIMARY KEY,
      name text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('web', 'spa', 'native', 'machine', 'dynamic')),
      first_party boolean NOT NULL DEFAULT false,
      -- The names of RFC 7591; no secret is ever in here.
      metadata jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE client_secrets (
      id uuid PRIMARY KEY,
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      hash text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz
    );
    CREATE INDEX client_secrets_client ON client_secrets (client_id);

    CREATE TABLE resources (
      id uuid PRIMARY KEY,
      -- The resource indicator of RFC 8707, which is also the audience.
      indicator text NOT NULL UNIQUE,
      name text NOT NULL,
      token_format text NOT NULL DEFAULT 'jwt' CHECK (token_format IN ('jwt', 'opaque')),
      access_token_ttl integer CHECK (access_token_ttl BETWEEN 60 AND 86400),
      -- The client that may introspect tokens for this API.
      owner_client_id text REFERENCES clients ON DELETE SET NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX resources_owner ON resources (owner_client_id);

    CREATE TABLE permissions (
      resource_id uuid NOT NULL REFERENCES resources ON DELETE CASCADE,
      name text NOT NULL,
      description text,
      PRIMARY KEY (resource_id, name)
    );

    CREATE TABLE client_permissions (
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      resource_id uuid NOT NULL,
      permission text NOT NULL,
      PRIMARY KEY (client_id, resource_id, permission),
      FOREIGN KEY (resource_id, permission) REFERENCES permissions (resource_id, name) ON DELETE CASCADE
    );
    CREATE INDEX client_permissions_permission ON client_permissions (resource_id, permission);

    CREATE TABLE signing_keys (
      kid text PRIMARY KEY,
      -- What the key is for: one of each state and slot at most, previous ones aside.
      slot text NOT NULL CHECK (slot IN ('ec-sig', 'rsa-sig', 'okp-sig', 'ec-enc', 'rsa-enc')),
      state text NOT NULL CHECK (state IN ('next', 'current', 'previous')),
      private_jwk text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      activated_at timestamptz,
      retired_at timestamptz
    );
    CREATE UNIQUE INDEX signing_keys_one_of_each ON signing_keys (slot, state) WHERE state <> 'previous';

    -- Every process keeps these in memory and hears of a change at once (src/db/listen.ts).
    CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('plinto_changed', TG_TABLE_NAME);
        RETURN NULL;
      END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON clients
      FOR EACH STATEMENT EXECUTE FUNCTION tell_change();
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON client_secrets
      FOR EACH STATEMENT EXECUTE FUNCTION tell_change();
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON resources
      FOR EACH STATEMENT EXECUTE FUNCTION tell_change();
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON client_permissions
      FOR EACH STATEMENT EXECUTE FUNCTION tell_change();
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION tell_change();
  `);
}
