/** Everything that is recorded. Nothing in `data` is a secret, or typed by a stranger unchecked. */
export type AuditEvent =
  | OrganizationEvent
  | RoleEvent
  | {
      type: 'sign_in.succeeded';
      userId: string;
      clientId?: string;
      /** The one that they signed in to. */
      organizationId?: string;
      data: { amr: string[]; acr: string };
    }
  | {
      type: 'sign_in.failed';
      userId?: string;
      clientId?: string;
      data: {
        reason:
          | 'unknown_user'
          | 'wrong_password'
          | 'wrong_code'
          | 'wrong_passkey'
          | 'suspended'
          | 'throttled';
      };
    }
  | { type: 'sign_in.aborted'; clientId?: string }
  | {
      type: 'session.ended';
      userId: string;
      clientId?: string;
      /** Everywhere, and what apps may do without a session. */
      data?: { everything: true };
    }
  | { type: 'consent.granted'; userId: string; clientId: string; data: { scopes: string[] } }
  | { type: 'consent.denied'; userId: string; clientId: string }
  | { type: 'grant.reuse_detected'; userId?: string; clientId?: string; data: { grantId: string } }
  | {
      type: 'refresh_token.leeway_used';
      userId?: string;
      clientId?: string;
      data: { grantId: string };
    }
  | { type: 'user.created'; userId: string; data: { administrator: boolean } }
  | { type: 'user.suspended'; userId: string }
  | { type: 'user.activated'; userId: string }
  | { type: 'user.signed_up'; userId: string; clientId?: string }
  | { type: 'user.invited'; userId: string }
  | { type: 'user.invitation_accepted'; userId: string }
  | { type: 'user.deletion_requested'; userId: string; data: { graceDays: number } }
  | { type: 'user.deletion_cancelled'; userId: string }
  | { type: 'user.deleted'; userId: string }
  | { type: 'user.exported'; userId: string }
  | { type: 'profile.updated'; userId: string; data: { fields: string[] } }
  | { type: 'email.verified'; userId: string }
  | { type: 'email.changed'; userId: string }
  | { type: 'phone.verified'; userId: string }
  | { type: 'phone.removed'; userId: string }
  | { type: 'password.set'; userId: string }
  /** Asked for by anybody, for an account or for a name that has none. */
  | { type: 'password.reset_requested'; userId?: string; clientId?: string }
  | { type: 'sign_in.code_requested'; userId?: string; clientId?: string }
  | { type: 'password.reset_required'; userId: string }
  | { type: 'sign_in.new_device'; userId: string; clientId?: string }
  | { type: 'sign_up.refused'; clientId?: string; data: { reason: string } }
  | { type: 'code.refused'; userId?: string; data: { purpose: string; reason: string } }
  /** A second factor, a passkey or recovery codes were turned on or off. */
  | { type: 'factor.added' | 'factor.removed'; userId: string; data: { factor: string } }
  | { type: 'recovery_codes.created'; userId: string }
  | { type: 'recovery_code.used'; userId: string; clientId?: string; data: { left: number } }
  | { type: 'passkey.renamed'; userId: string }
  /** Its counter went back, as that of a copy would: it was refused (WebAuthn Level 3 §6.1.1). */
  | { type: 'passkey.counter_regressed'; userId: string; clientId?: string }
  | { type: 'device.trusted'; userId: string; clientId?: string; data: { days: number } }
  | { type: 'device.forgotten'; userId: string; data: { count: number } }
  | { type: 'mfa.reset'; userId: string; data: { factors: string[] } }
  /** Somebody whose password is proven says that they lost their factors. */
  | {
      type: 'mfa.recovery_started';
      userId: string;
      clientId?: string;
      data: { readyAt: string };
    }
  | { type: 'mfa.recovery_cancelled'; userId: string }
  | { type: 'consent.revoked'; userId: string; clientId: string }
  | {
      type: 'mail.refused' | 'sms.refused';
      userId?: string;
      data: { template: string; status: number };
    }
  | ClientEvent
  | { type: 'resource.created'; data: { indicator: string; permissions: string[] } }
  | { type: 'resource.updated'; data: { indicator: string; fields: string[] } }
  | { type: 'resource.deleted'; data: { indicator: string } }
  | {
      type: 'resource.assigned' | 'resource.unassigned';
      clientId: string;
      data: { indicator: string; permissions: string[] };
    }
  | { type: 'initial_access_token.created'; data: { expiresIn: number } }
  | { type: 'signing_key.created'; data: { kid: string; slot: string } }
  | { type: 'signing_key.activated'; data: { kid: string; slot: string } }
  | { type: 'signing_key.deleted'; data: { kid: string; slot: string } }
  | { type: 'setup.link_created' }
  | { type: 'setup.completed'; userId: string };

/** What happens to an application; of the organization that a machine belongs to, if it does. */
export type ClientEvent = { clientId: string; organizationId?: string } & (
  | { type: 'client.created'; data: { kind: string; firstParty: boolean } }
  | { type: 'client.updated'; data: { fields: string[] } }
  | { type: 'client.secret_rotated'; data: { previousExpiresAt: string | null } }
  | { type: 'client.deleted' }
);

/** What happens in an organization; `userId` is the member whom it is about. */
export type OrganizationEvent = { organizationId: string; userId?: string; clientId?: string } & (
  | { type: 'organization.created'; data: { slug: string; name: string } }
  | { type: 'organization.updated'; data: { fields: string[] } }
  | { type: 'organization.policies_updated'; data: { fields: string[] } }
  | { type: 'organization.deletion_requested'; data: { graceDays: number } }
  | { type: 'organization.deletion_cancelled' }
  | { type: 'organization.deleted'; data: { slug: string } }
  | { type: 'organization.owner_transferred'; data: { from: string } }
  | { type: 'member.added'; data: { source: string; roles: string[] } }
  | { type: 'member.roles_changed'; data: { added: string[]; removed: string[] } }
  | { type: 'member.suspended' | 'member.activated' | 'member.removed' | 'member.left' }
  | {
      type: 'invitation.created' | 'invitation.resent';
      data: { invitationId: string; roles: string[] };
    }
  | {
      type:
        | 'invitation.revoked'
        | 'invitation.accepted'
        | 'invitation.requested'
        | 'invitation.declined';
      data: { invitationId: string };
    }
  | RoleEvent
  | {
      type: 'domain.added' | 'domain.verified' | 'domain.lost' | 'domain.removed';
      data: { name: string };
    }
  | { type: 'activity.exported' }
);

/** What happens to a role: one of an organization, or of all where none is named. */
export type RoleEvent =
  | { type: 'role.created'; data: { key: string; permissions: string[] } }
  | {
      type: 'role.updated';
      data: { key: string; fields: string[]; added: string[]; removed: string[] };
    }
  | { type: 'role.deleted'; data: { key: string; members: number; invitations: number } };

/** Who did something and from where. */
export type Origin = {
  /** `user:<id>`, `client:<id>`, `cli:<login name>`, `anonymous` or `system`. */
  actor: string;
  ip?: string;
  userAgent?: string;
  requestId?: string;
};

/** What the server does on its own. */
export const SYSTEM: Origin = { actor: 'system' };
