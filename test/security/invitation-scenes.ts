import { SYSTEM } from '../../src/audit/events.ts';
import { transaction } from '../../src/db/pool.ts';
import { createOrganization } from '../../src/organizations/create-organization.ts';
import { referenceOf } from '../../src/organizations/invitations/reference.ts';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { invite } from '../organizations/invitations-app.ts';
import { openAccount, type Scene, type Stage, sceneOf } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

let count = 0;

/** An organization with its owner, and an invitation to it; `to` has that address. */
async function found(stage: Stage, email?: string) {
  count += 1;
  const slug = `inviting-${count}`;
  const owner = await stage.person();
  const { id } = await transaction(stage.runtime.deps.db, async (trx) => {
    const made = await createOrganization(trx, SYSTEM, { name: slug, ownerId: owner.user.id });
    if (!made.ok) throw new Error(made.reason);
    return made.organization;
  });
  const inviter = { userId: owner.user.id };
  const invitation = await invite(stage, id, inviter, email ?? `invited${count}@example.com`);
  return { owner, invitation, at: `/account/organizations/${slug}/invitations` };
}

const atLink: Setter = async (stage) => {
  const { invitation } = await found(stage);
  const visitor = stage.browser();
  const page = await visitor.open(invitation.url);
  const typed = { new_password: 'copper-lantern-drifts-77', given_name: 'Grace' };
  return sceneOf(visitor, page, new URL(invitation.url).pathname, typed);
};

const atOwn: Setter = async (stage) => {
  const person = await stage.person();
  const { invitation } = await found(stage, person.email);
  const path = `/account/invitations/${invitation.id}`;
  const { visitor, page } = await openAccount(stage, person, path);
  return { ...sceneOf(visitor, page, path), person };
};

const atAsking: Setter = async (stage) => {
  const person = await stage.person();
  const { invitation } = await found(stage);
  const { db } = stage.runtime.deps;
  const row = await db('invitations').where({ id: invitation.id }).first('id', 'token_hash');
  const path = `/account/invitations/${referenceOf(row)}`;
  const { visitor, page } = await openAccount(stage, person, path);
  return { ...sceneOf(visitor, page, '/ask'), person };
};

const atInviting: Setter = async (stage) => {
  const { owner, at } = await found(stage);
  const { visitor, page } = await openAccount(stage, owner, at);
  const typed = { addresses: `new${count}@example.com`, [BUILTIN_ROLES.member]: 'yes' };
  return { ...sceneOf(visitor, page, '/invitations', typed), person: owner };
};

/** A form of an owner about an invitation, which somebody with another address asks to accept. */
const atInvitation =
  (name: string, requested = false): Setter =>
  async (stage) => {
    const { owner, invitation, at } = await found(stage);
    if (requested) {
      const { user } = await stage.person();
      const { db } = stage.runtime.deps;
      await db('invitations').where({ id: invitation.id }).update({ requested_by: user.id });
    }
    const { visitor, page } = await openAccount(stage, owner, at);
    return { ...sceneOf(visitor, page, `/${invitation.id}/${name}`), person: owner };
  };

const OWN = '/account/invitations/:invitation';
const INVITATIONS = '/account/organizations/:organization/invitations';

/** Forms of invitations to organizations, by the path of their routes. */
export const INVITATION_FORMS: Readonly<Record<string, Setter>> = {
  '/join/:token': atLink,
  [OWN]: atOwn,
  [`${OWN}/ask`]: atAsking,
  [INVITATIONS]: atInviting,
  [`${INVITATIONS}/:invitation/resend`]: atInvitation('resend'),
  [`${INVITATIONS}/:invitation/revoke`]: atInvitation('revoke'),
  [`${INVITATIONS}/:invitation/confirm`]: atInvitation('confirm', true),
  [`${INVITATIONS}/:invitation/decline`]: atInvitation('decline', true),
};

/** Pages of invitations that are there where their form is. */
export const INVITATION_PAGES = ['/join/:token', OWN, INVITATIONS];
/** Those that come after it. */
export const INVITED_PAGES = ['/join/:token', OWN];
