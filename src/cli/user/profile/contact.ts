import { changeEmail } from '../../../account/contact/change-email.ts';
import {
  applyPhone,
  hasVerifiedPhone,
  notePhone,
  takePhoneOf,
} from '../../../account/contact/change-phone.ts';
import { canonicalPhoneNumber } from '../../../account/contact/phone-number.ts';
import type { Trx } from '../../../deps.ts';
import { proveAddress } from '../../../recovery/prove-address.ts';
import { canonicalEmail } from '../../../users/identifiers.ts';
import type { User } from '../../../users/store.ts';
import type { Session } from '../../session.ts';
import { mailTools } from '../mail-tools.ts';
import { nameOf } from '../named-user.ts';

/** How a user is reached from now on; empty takes it away. */
export type ContactOptions = {
  email?: string;
  /** Somebody vouches that the address is theirs. */
  emailVerified: boolean;
  phoneNumber?: string;
  phoneVerified: boolean;
};

/** An address and a number in the form that is stored; null takes them away. */
export type Contact = {
  email?: string | null;
  phone?: string | null;
  vouched: { email: boolean; phone: boolean };
};

/** Reads what was asked for. @throws Error that says what is wrong with it. */
export function readContact(options: ContactOptions): Contact {
  const { email, emailVerified, phoneNumber, phoneVerified } = options;
  const contact: Contact = { vouched: { email: emailVerified, phone: phoneVerified } };
  if (emailVerified && !email) {
    throw new Error(
      '--email-verified goes with --email; `plinto user verify-email` is for the address they have',
    );
  }
  if (phoneVerified && !phoneNumber) throw new Error('--phone-verified goes with --phone-number');
  if (email !== undefined) {
    const canonical = email.trim() === '' ? null : canonicalEmail(email);
    if (canonical === undefined)
      throw new Error('this is not one plain email address: check --email');
    contact.email = canonical;
  }
  if (phoneNumber !== undefined) {
    const canonical = phoneNumber.trim() === '' ? null : canonicalPhoneNumber(phoneNumber);
    if (canonical === undefined) {
      throw new Error('--phone-number is not one with its country code, such as +49 30 901820');
    }
    contact.phone = canonical;
  }
  return contact;
}

/** Changes how a user, whose row is held, is reached. @throws Error that says why it can't. */
export async function updateContact(
  session: Session,
  trx: Trx,
  user: User,
  { email, phone, vouched }: Contact,
): Promise<void> {
  if (email !== undefined) await updateEmail(session, trx, user, email, vouched.email);
  if (phone !== undefined) await updatePhone(session, trx, user, phone, vouched.phone);
}

async function updateEmail(
  session: Session,
  trx: Trx,
  user: User,
  email: string | null,
  vouched: boolean,
): Promise<void> {
  const { origin } = session;
  if (email === null && user.username === null) {
    throw new Error(`${nameOf(user)} has no username, so the address can't be taken away`);
  }
  const changes = email !== user.email;
  if (changes) {
    const tools = { ...mailTools(session), locale: user.locale ?? 'en' };
    if (!(await changeEmail(trx, tools, origin, user, { email, verified: false }))) {
      throw new Error('somebody has this email address already: see `plinto user list --search`');
    }
  }
  if (!vouched) return;
  await proveAddress(trx, origin, changes ? { ...user, email, email_verified_at: null } : user);
}

async function updatePhone(
  session: Session,
  trx: Trx,
  user: User,
  phone: string | null,
  vouched: boolean,
): Promise<void> {
  const { origin } = session;
  const tools = { ...mailTools(session), locale: user.locale ?? 'en' };
  if (phone === null) await takePhoneOf(trx, tools, origin, user);
  else if (vouched && !hasVerifiedPhone(user, phone))
    await applyPhone(trx, tools, origin, user, phone);
  else if (phone !== user.phone_number) await notePhone(trx, tools, origin, user, phone);
}
