import type { Db } from '../../deps.ts';
import type { User } from '../../users/store.ts';

type Readers = Record<string, (db: Db, user: User) => Promise<unknown>>;

const PERSON: Readers = {
  user: (db, { id }) => db('users').where({ id }).first(),
  password: async (db, { id }) => {
    const row = await db('passwords').where({ user_id: id }).first('changed_at', 'must_change');
    return row ?? null;
  },
  picture: async (db, { id }) => {
    const row = await db('pictures').where({ user_id: id }).first('content', 'created_at');
    return row ? { ...row, content: row.content.toString('base64') } : null;
  },
  devices: (db, { id }) =>
    db('known_devices').where({ user_id: id }).select('first_seen_at', 'last_seen_at'),
  sign_ins: (db, { id }) =>
    db('sign_ins')
      .where({ user_id: id })
      .orderBy('signed_in_at')
      .select(
        ...['signed_in_at', 'last_seen_at', 'ended_at', 'acr', 'amr', 'ip', 'user_agent', 'place'],
      ),
};

const FACTORS: Readers = {
  authenticator_apps: (db, { id }) =>
    db('totp_credentials')
      .where({ user_id: id })
      .select('id', 'algorithm', 'digits', 'period', 'created_at', 'last_used_at'),
  unconfirmed_authenticator_apps: (db, { id }) =>
    db('totp_enrolments').where({ user_id: id }).select('expires_at'),
  passkeys: (db, { id }) =>
    db('passkeys')
      .where({ user_id: id })
      .orderBy('created_at')
      .select(
        ...['id', 'name', 'aaguid', 'transports', 'backup_eligible', 'backed_up'],
        ...['created_at', 'last_used_at'],
      ),
  recovery_codes: (db, { id }) =>
    db('recovery_codes').where({ user_id: id }).select('created_at', 'used_at'),
  unconfirmed_recovery_codes: (db, { id }) =>
    db('recovery_code_drafts').where({ user_id: id }).select('expires_at'),
  codes_by_message: (db, { id }) =>
    db('message_factors').where({ user_id: id }).select('channel', 'created_at', 'last_used_at'),
  remembered_browsers: (db, { id }) =>
    db('trusted_devices')
      .where({ user_id: id })
      .orderBy('created_at')
      .select('ip', 'user_agent', 'place', 'created_at', 'last_used_at', 'expires_at'),
  recoveries_of_lost_factors: (db, { id }) =>
    db('factor_recoveries')
      .where({ user_id: id })
      .select('started_at', 'ready_at', 'expires_at', 'cancelled_at'),
};

const ACCESS: Readers = {
  sessions: async (db, { id }) => {
    const rows = await db('oidc_sessions')
      .where({ account_id: id })
      .select('payload', 'expires_at');
    return rows.map(({ payload, expires_at }) => ({
      // Those with a line break are an app's grants in organizations.
      apps: Object.keys(payload.authorizations ?? {}).filter((id) => !id.includes('\n')),
      expires_at,
    }));
  },
  consents: (db, { id }) =>
    db('consents')
      .where({ user_id: id })
      .select('client_id', 'scopes', 'claims', 'resources', 'granted_at', 'updated_at'),
  grants: async (db, { id }) => {
    const columns = ['client_id', 'organization_id', 'payload', 'expires_at'];
    const rows = await db('oidc_grants').where({ account_id: id }).select(columns);
    return rows.map(({ payload, ...row }) => {
      const { openid, resources } = payload;
      return { ...row, openid, resources, granted_at: moment(payload.iat) };
    });
  },
  refresh_tokens: async (db, { id }) => {
    const columns = ['client_id', 'payload', 'consumed_at', 'expires_at'];
    const rows = await db('oidc_refresh_tokens').where({ account_id: id }).select(columns);
    return rows.map(({ payload, ...row }) => ({
      ...row,
      scope: payload.scope,
      issued_at: moment(payload.iat),
    }));
  },
  tokens_and_codes: async (db, { id }) => {
    const columns = ['model', 'client_id', 'payload', 'consumed_at', 'expires_at'];
    const rows = await db('oidc_artifacts').where({ account_id: id }).select(columns);
    return rows.map(({ model, payload, ...row }) => ({
      kind: model,
      ...row,
      scope: payload.scope,
      issued_at: moment(payload.iat),
    }));
  },
  one_time_codes: (db, { id }) =>
    db('one_time_codes')
      .where({ user_id: id })
      .select('purpose', 'address', 'data', 'attempts', 'created_at', 'expires_at', 'used_at'),
};

const ORGANIZATIONS: Readers = {
  memberships: (db, { id }) =>
    db('memberships as m')
      .join('organizations as o', 'o.id', 'm.organization_id')
      .where({ 'm.user_id': id })
      .orderBy('m.joined_at')
      .select(
        ...['o.slug', 'o.name', 'm.status', 'm.source', 'm.joined_at'],
        db.raw(`array(SELECT r.key FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
          WHERE mr.organization_id = m.organization_id AND mr.user_id = m.user_id
          ORDER BY r.key) AS roles`),
      ),
  invitations_to_organizations: (db, { id }) =>
    db('invitations as i')
      .join('organizations as o', 'o.id', 'i.organization_id')
      .where((q) =>
        q
          .where({ 'i.invited_by': id })
          .orWhere({ 'i.requested_by': id })
          .orWhere({ 'i.accepted_by': id }),
      )
      .orderBy('i.created_at')
      .select(
        ...['o.slug', 'i.email', 'i.message', 'i.status', 'i.created_at', 'i.sent_at'],
        ...['i.expires_at', 'i.accepted_at'],
        db.raw(
          `array_remove(ARRAY[CASE i.invited_by WHEN :id THEN 'invited' END,
          CASE i.requested_by WHEN :id THEN 'asked' END,
          CASE i.accepted_by WHEN :id THEN 'accepted' END], NULL) AS you`,
          { id },
        ),
      ),
  consents_in_organizations: (db, { id }) =>
    db('organization_consents as c')
      .join('organizations as o', 'o.id', 'c.organization_id')
      .where({ 'c.user_id': id })
      .orderBy('c.granted_at')
      .select(
        ...['o.slug', 'c.client_id', 'c.scopes', 'c.claims', 'c.resources'],
        ...['c.granted_at', 'c.updated_at'],
      ),
};

/**
 * What is stored of a person, table by table, but for the log of events. No hash, key or secret is
 * in it: it would be of no use to them, and of some to a thief of the file.
 */
export const USER_DATA: Readers = { ...PERSON, ...FACTORS, ...ACCESS, ...ORGANIZATIONS };

function moment(seconds: unknown): string | undefined {
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : undefined;
}
