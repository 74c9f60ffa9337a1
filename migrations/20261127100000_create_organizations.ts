import type { Knex } from 'knex';

/**
 * Organizations, who belongs to them and what they may do there. Rows of an organization name it in
 * every foreign key, so that none can refer to another organization's (security, tenancy).
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(ORGANIZATIONS);
  await knex.raw(SLUGS);
  await knex.raw(ROLES);
  await knex.raw(INVITATIONS);
  await knex.raw(CONTEXT);
  await knex.raw(TOKENS);
  await knex.raw(OWNERS);
  await knex.raw(SEARCH);
  await knex.raw(CHAIN);
}

const ORGANIZATIONS = `
  CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    -- Never like an id: an app may name an organization by either.
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9]){0,1}$'
      AND slug !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    name text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    -- Colour of its sign-in pages.
    accent text CHECK (accent ~ '^#[0-9a-f]{6}$'),
    -- Whether a second factor is asked of everybody, whatever the installation asks.
    mfa_required boolean NOT NULL DEFAULT false,
    -- First factors that are good enough; null for all.
    sign_in_methods text[] CHECK (sign_in_methods <@ ARRAY['password', 'email', 'passkey']
      AND cardinality(sign_in_methods) > 0),
    -- Seconds after which people sign in anew; null for the installation's own limit.
    session_seconds integer CHECK (session_seconds BETWEEN 300 AND 31536000),
    members_may_invite boolean NOT NULL DEFAULT false,
    join_by_domain boolean NOT NULL DEFAULT false,
    -- Set when its deletion was asked for: nobody signs in to it from then on.
    delete_after timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX organizations_delete_after ON organizations (delete_after) WHERE delete_after IS NOT NULL;

  CREATE TABLE organization_logos (
    -- Random: it is the logo's address.
    id text PRIMARY KEY,
    organization_id uuid NOT NULL UNIQUE REFERENCES organizations ON DELETE CASCADE,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );

  CREATE TABLE memberships (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    source text NOT NULL CHECK (source IN ('created', 'added', 'invited', 'domain', 'sso', 'scim')),
    joined_at timestamptz NOT NULL DEFAULT now(),
    -- What the list of members is sorted and searched by; kept by triggers.
    name_key text NOT NULL DEFAULT '',
    email_key text NOT NULL DEFAULT '',
    PRIMARY KEY (organization_id, user_id)
  );
  CREATE INDEX memberships_user ON memberships (user_id, organization_id);
  CREATE INDEX memberships_name ON memberships (organization_id, name_key COLLATE "C", user_id);
  CREATE INDEX memberships_email ON memberships (organization_id, email_key COLLATE "C", user_id);

  CREATE TABLE domains (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    -- In lower case and punycode.
    name text NOT NULL,
    -- What the TXT record has to say.
    token text NOT NULL,
    verified_at timestamptz,
    checked_at timestamptz,
    -- Since when the record of a proven domain is missing.
    missing_since timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
  );
  CREATE UNIQUE INDEX domains_verified ON domains (name) WHERE verified_at IS NOT NULL;
  CREATE INDEX domains_checked ON domains (checked_at) WHERE verified_at IS NOT NULL;
`;

const SLUGS = `
  -- The last ten slugs that an organization had before: apps and links may still ask for it by them, so
  -- that whoever took one would be taken for it.
  CREATE TABLE former_slugs (
    slug text PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    -- No two of an organization alike: changes within one transaction, too, have an order.
    id bigint GENERATED ALWAYS AS IDENTITY
  );
  CREATE INDEX former_slugs_organization ON former_slugs (organization_id, id);

  CREATE FUNCTION keep_former_slugs() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE before text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.slug ELSE NEW.slug END;
    BEGIN
      -- In one order, so that of two who take each other's neither waits for the other.
      PERFORM pg_advisory_xact_lock(hashtext('slug ' || least(before, NEW.slug)));
      PERFORM pg_advisory_xact_lock(hashtext('slug ' || greatest(before, NEW.slug)));
      IF EXISTS (SELECT FROM former_slugs WHERE slug = NEW.slug AND organization_id <> NEW.id) THEN
        RAISE EXCEPTION 'the slug % was another organization''s', NEW.slug
          USING ERRCODE = 'unique_violation', CONSTRAINT = 'former_slugs_pkey';
      END IF;
      IF before <> NEW.slug THEN
        DELETE FROM former_slugs WHERE slug = NEW.slug;
        INSERT INTO former_slugs (slug, organization_id) VALUES (before, NEW.id);
        DELETE FROM former_slugs WHERE organization_id = NEW.id AND id <= (
          SELECT f.id FROM former_slugs f WHERE f.organization_id = NEW.id ORDER BY f.id DESC OFFSET 10 LIMIT 1);
      END IF;
      RETURN NEW;
    END $$;
  CREATE TRIGGER organizations_former_slugs BEFORE INSERT OR UPDATE OF slug ON organizations
    FOR EACH ROW EXECUTE FUNCTION keep_former_slugs();
`;

const NOBODYS = `'00000000-0000-0000-0000-000000000000'::uuid`;

const ROLES = `
  CREATE TABLE roles (
    id uuid PRIMARY KEY,
    -- Null for a role of all organizations, which only the installation changes.
    organization_id uuid REFERENCES organizations ON DELETE CASCADE,
    scope uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, ${NOBODYS})) STORED,
    -- What apps are told.
    key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_-]{0,62}$'),
    name text NOT NULL,
    description text,
    -- Owner, admin and member: there always.
    builtin boolean NOT NULL DEFAULT false,
    -- Plinto's own permissions (src/organizations/permissions.ts); those of APIs are in role_permissions.
    permissions text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, scope),
    UNIQUE (scope, key)
  );
  CREATE INDEX roles_organization ON roles (organization_id);
  CREATE INDEX roles_key ON roles (key);

  -- Apps are told keys: an organization can't name a role of its own like one of all organizations.
  CREATE FUNCTION refuse_same_role_key() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock(hashtext('role ' || NEW.key));
      IF EXISTS (SELECT FROM roles WHERE key = NEW.key AND id <> NEW.id
          AND (organization_id IS NULL) <> (NEW.organization_id IS NULL)) THEN
        RAISE EXCEPTION 'the key % is taken', NEW.key USING ERRCODE = 'unique_violation';
      END IF;
      RETURN NEW;
    END $$;
  CREATE TRIGGER roles_key_once BEFORE INSERT OR UPDATE OF key ON roles
    FOR EACH ROW EXECUTE FUNCTION refuse_same_role_key();

  INSERT INTO roles (id, key, name, builtin, permissions) VALUES
    ('00000000-0000-7000-8000-000000000001', 'owner', 'Owner', true, '{}'),
    ('00000000-0000-7000-8000-000000000002', 'admin', 'Admin', true,
      '{organization:update,policies:manage,members:read,members:invite,members:manage,roles:manage,domains:manage,activity:read}'),
    ('00000000-0000-7000-8000-000000000003', 'member', 'Member', true, '{members:read}');

  CREATE TABLE role_permissions (
    role_id uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
    resource_id uuid NOT NULL,
    permission text NOT NULL,
    PRIMARY KEY (role_id, resource_id, permission),
    FOREIGN KEY (resource_id, permission) REFERENCES permissions (resource_id, name) ON DELETE CASCADE
  );
  CREATE INDEX role_permissions_permission ON role_permissions (resource_id, permission);

  CREATE TABLE membership_roles (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    -- The organization's own role, or one of all organizations.
    role_scope uuid NOT NULL CHECK (role_scope IN (organization_id, ${NOBODYS})),
    PRIMARY KEY (organization_id, user_id, role_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES memberships ON DELETE CASCADE,
    FOREIGN KEY (role_id, role_scope) REFERENCES roles (id, scope) ON DELETE CASCADE
  );
  CREATE INDEX membership_roles_role ON membership_roles (role_id, organization_id, user_id);
`;

const INVITATIONS = `
  CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    email text NOT NULL,
    -- SHA-256 of what the link carries; another with each mail.
    token_hash bytea NOT NULL UNIQUE,
    -- Whether the link was mailed: else somebody else saw it, and it proves nobody's address.
    mailed boolean NOT NULL,
    message text,
    -- The app that they go on to. No foreign key: one that is gone is left out.
    client_id text,
    locale text,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'revoked')),
    -- Null for the installation. Nobody is let in by who is gone.
    invited_by uuid REFERENCES users ON DELETE CASCADE,
    -- Who asks to accept it although the address isn't theirs, for the inviter to confirm.
    requested_by uuid REFERENCES users ON DELETE SET NULL,
    accepted_by uuid REFERENCES users ON DELETE SET NULL,
    accepted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    UNIQUE (id, organization_id)
  );
  CREATE UNIQUE INDEX invitations_once ON invitations (organization_id, lower(email)) WHERE status = 'pending';
  CREATE INDEX invitations_email ON invitations (lower(email)) WHERE status = 'pending';
  CREATE INDEX invitations_organization ON invitations (organization_id, id);
  CREATE INDEX invitations_inviter ON invitations (invited_by);
  CREATE INDEX invitations_requester ON invitations (requested_by);
  CREATE INDEX invitations_accepter ON invitations (accepted_by);
  CREATE INDEX invitations_expires ON invitations (expires_at);

  -- What became of each address of a form, for the page after it; a form sent again finds it there.
  CREATE TABLE invitation_results (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    form uuid NOT NULL,
    -- Encrypted: has links where no mail is sent.
    sealed text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, user_id, form),
    FOREIGN KEY (organization_id, user_id) REFERENCES memberships ON DELETE CASCADE
  );
  CREATE INDEX invitation_results_expires ON invitation_results (expires_at);

  CREATE TABLE invitation_roles (
    invitation_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    role_id uuid NOT NULL,
    role_scope uuid NOT NULL CHECK (role_scope IN (organization_id, ${NOBODYS})),
    PRIMARY KEY (invitation_id, role_id),
    FOREIGN KEY (invitation_id, organization_id) REFERENCES invitations (id, organization_id) ON DELETE CASCADE,
    FOREIGN KEY (role_id, role_scope) REFERENCES roles (id, scope) ON DELETE CASCADE
  );
  CREATE INDEX invitation_roles_role ON invitation_roles (role_id);
`;

const CONTEXT = `
  ALTER TABLE resources
    -- Whether its tokens name an organization: never, as apps ask, or always.
    ADD COLUMN organizations text NOT NULL DEFAULT 'optional'
      CHECK (organizations IN ('none', 'optional', 'required'));

  -- What tokens say of a member, and what they are decided by; null for who is no active member.
  CREATE FUNCTION organization_context(wanted uuid, member uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
      'id', o.id, 'slug', o.slug, 'name', o.name, 'roles', held.keys, 'owner', held.owner,
      'mfaRequired', o.mfa_required, 'signInMethods', o.sign_in_methods, 'sessionSeconds', o.session_seconds,
      'own', held.own, 'mayInvite', o.members_may_invite,
      'permissions', coalesce((
        SELECT jsonb_object_agg(api.indicator, api.names) FROM (
          SELECT r.indicator, jsonb_agg(p.name ORDER BY p.name) AS names
          FROM resources r JOIN permissions p ON p.resource_id = r.id
          WHERE r.organizations <> 'none' AND (held.owner OR EXISTS (
            SELECT FROM membership_roles mr
            JOIN role_permissions rp ON rp.role_id = mr.role_id
            WHERE mr.organization_id = wanted AND mr.user_id = member
              AND rp.resource_id = p.resource_id AND rp.permission = p.name))
          GROUP BY r.indicator) api), '{}'))
    FROM memberships m
    JOIN organizations o ON o.id = m.organization_id
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_agg(r.key ORDER BY r.key), '[]') AS keys,
        coalesce(bool_or(r.builtin AND r.key = 'owner'), false) AS owner,
        coalesce((SELECT jsonb_agg(DISTINCT one) FROM membership_roles mr2
          JOIN roles r2 ON r2.id = mr2.role_id, unnest(r2.permissions) one
          WHERE mr2.organization_id = wanted AND mr2.user_id = member), '[]') AS own
      FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
      WHERE mr.organization_id = wanted AND mr.user_id = member) held
    WHERE m.organization_id = wanted AND m.user_id = member AND m.status = 'active'
      AND o.delete_after IS NULL
  $$;
`;

const TOKENS = `
  ALTER TABLE clients
    ADD COLUMN organization_id uuid REFERENCES organizations ON DELETE CASCADE,
    ADD CHECK (organization_id IS NULL OR kind = 'machine');
  CREATE INDEX clients_organization ON clients (organization_id) WHERE organization_id IS NOT NULL;

  -- A grant lives no longer than the membership it rests on.
  ALTER TABLE oidc_grants
    ADD COLUMN organization_id uuid,
    ADD FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, user_id)
      ON DELETE CASCADE;
  CREATE INDEX oidc_grants_organization ON oidc_grants (organization_id, account_id)
    WHERE organization_id IS NOT NULL;

  -- The organization that a person chose to sign in to, where an app leaves it to them, and who that was.
  ALTER TABLE login_attempts ADD COLUMN organization_id uuid, ADD COLUMN organization_chooser uuid;

  -- What a person agreed to for an app in one organization; consents holds what is for none.
  CREATE TABLE organization_consents (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    claims text[] NOT NULL DEFAULT '{}',
    resources jsonb NOT NULL DEFAULT '{}',
    granted_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, client_id, organization_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES memberships ON DELETE CASCADE
  );
  CREATE INDEX organization_consents_member ON organization_consents (organization_id, user_id);
  CREATE INDEX organization_consents_client ON organization_consents (client_id);
  CREATE FUNCTION end_client_organization_consents() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM organization_consents WHERE client_id = OLD.id;
      RETURN OLD;
    END $$;
  CREATE TRIGGER clients_end_organization_consents AFTER DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION end_client_organization_consents();

  -- Processes that keep clients in memory keep with them the organization they belong to.
  CREATE FUNCTION tell_organization_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM clients WHERE organization_id = NEW.id) THEN
        PERFORM pg_notify('plinto_changed', 'clients');
      END IF;
      RETURN NULL;
    END $$;
  CREATE TRIGGER tell AFTER UPDATE OF slug, name, delete_after ON organizations
    FOR EACH ROW EXECUTE FUNCTION tell_organization_change();
`;

const OWNERS = `
  -- Whatever takes an owner away, somebody who owns the organization is left. Checked at the end, one
  -- after the other: of two that each take one of the last two, the second fails.
  CREATE FUNCTION keep_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM FROM organizations WHERE id = OLD.organization_id FOR NO KEY UPDATE;
      IF FOUND AND NOT EXISTS (
        SELECT FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
        JOIN memberships m ON m.organization_id = mr.organization_id AND m.user_id = mr.user_id
        WHERE mr.organization_id = OLD.organization_id AND r.builtin AND r.key = 'owner'
          AND m.status = 'active') THEN
        RAISE EXCEPTION 'an organization has to have an owner'
          -- Code looks first: what it did not see happened meanwhile, and another try will.
          USING ERRCODE = 'serialization_failure', CONSTRAINT = 'organizations_owner';
      END IF;
      RETURN NULL;
    END $$;
  CREATE CONSTRAINT TRIGGER membership_roles_owner AFTER UPDATE OR DELETE ON membership_roles
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.role_id = '00000000-0000-7000-8000-000000000001') EXECUTE FUNCTION keep_an_owner();
  CREATE CONSTRAINT TRIGGER memberships_owner AFTER UPDATE OF status ON memberships
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status = 'active' AND NEW.status <> 'active') EXECUTE FUNCTION keep_an_owner();
`;

const SEARCH = `
  CREATE FUNCTION member_name_key(u users) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT lower(coalesce(nullif(u.name, ''), nullif(concat_ws(' ', u.given_name, u.family_name), ''),
      u.email, u.username, ''))
  $$;
  CREATE FUNCTION fill_member_keys() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      SELECT member_name_key(u), lower(coalesce(u.email, u.username, '')) INTO NEW.name_key, NEW.email_key
        FROM users u WHERE u.id = NEW.user_id;
      RETURN NEW;
    END $$;
  CREATE TRIGGER memberships_keys BEFORE INSERT ON memberships
    FOR EACH ROW EXECUTE FUNCTION fill_member_keys();
  CREATE FUNCTION tell_member_keys() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE memberships SET name_key = member_name_key(NEW), email_key = lower(coalesce(NEW.email, NEW.username, ''))
        WHERE user_id = NEW.id;
      RETURN NULL;
    END $$;
  CREATE TRIGGER users_member_keys AFTER UPDATE OF name, given_name, family_name, email, username ON users
    FOR EACH ROW WHEN ((OLD.name, OLD.given_name, OLD.family_name, OLD.email, OLD.username)
      IS DISTINCT FROM (NEW.name, NEW.given_name, NEW.family_name, NEW.email, NEW.username))
    EXECUTE FUNCTION tell_member_keys();
`;

const CHAIN = `
  -- Events of an organization are chained: each row's hash covers the one before, so that a row that
  -- was changed, left out or put in shows when the chain is followed.
  ALTER TABLE audit_events
    ADD COLUMN organization_id uuid,
    ADD COLUMN position bigint,
    ADD COLUMN hash bytea;
  CREATE INDEX audit_events_organization ON audit_events (organization_id, id) WHERE organization_id IS NOT NULL;
  CREATE UNIQUE INDEX audit_events_position ON audit_events (organization_id, position)
    WHERE organization_id IS NOT NULL;

  CREATE TABLE audit_chains (
    organization_id uuid PRIMARY KEY,
    position bigint NOT NULL,
    hash bytea NOT NULL
  );

  CREATE FUNCTION audit_event_hash(e audit_events, before bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(before || convert_to(jsonb_build_array(e.organization_id, e.position, e.id,
      extract(epoch FROM e.at), e.type, e.actor, e.user_id, e.client_id, e.ip, e.user_agent, e.request_id,
      e.data)::text, 'UTF8'))
  $$;
  CREATE FUNCTION chain_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE head audit_chains;
    BEGIN
      INSERT INTO audit_chains VALUES (NEW.organization_id, 0, '') ON CONFLICT DO NOTHING;
      SELECT * INTO head FROM audit_chains WHERE organization_id = NEW.organization_id FOR UPDATE;
      NEW.position := head.position + 1;
      NEW.hash := audit_event_hash(NEW, head.hash);
      UPDATE audit_chains SET position = NEW.position, hash = NEW.hash
        WHERE organization_id = NEW.organization_id;
      RETURN NEW;
    END $$;
  CREATE TRIGGER audit_events_chain BEFORE INSERT ON audit_events
    FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL) EXECUTE FUNCTION chain_audit_event();
`;
