import type { AccountFactor } from '../account/account.ts';
import type { Config } from '../config.ts';
import type { Db } from '../deps.ts';
import { joinFactors } from '../login/pages.ts';
import type { FactorPages } from '../mfa/factor.ts';
import {
  messageCodeAccount,
  messageCodeSummaries,
} from '../one-time-codes/message-code-account.ts';
import { messageCodePages } from '../one-time-codes/message-code-pages.ts';
import type { MessageCodeParts } from '../one-time-codes/second-factor.ts';
import { passkeyAccount, passkeySummary } from '../passkeys/account.ts';
import type { ChallengeTools } from '../passkeys/challenge.ts';
import { isOfferDue } from '../passkeys/offer.ts';
import { passkeyPages } from '../passkeys/pages.ts';
import { findPassword } from '../password/store.ts';
import { findReadyAt, lostFactorsAccount } from '../recovery/lost-factors/account.ts';
import type { LostFactorsSteps } from '../recovery/lost-factors/lost-factors.ts';
import { lostFactorsPages } from '../recovery/lost-factors/pages.ts';
import { recoveryCodeAccount, recoveryCodeSummary } from '../recovery-codes/account.ts';
import { type RecoveryCodeSignInParts, recoveryCodePages } from '../recovery-codes/pages.ts';
import { hasRecoveryCodes } from '../recovery-codes/store.ts';
import { totpAccount, totpSummary } from '../totp/account.ts';
import { totpPages } from '../totp/pages.ts';
import type { TotpSignInParts } from '../totp/totp.ts';
import type { User } from '../users/store.ts';

/** What second factors and passkeys bring to signing in and to the account pages. */
export type Factors = {
  login: FactorPages;
  /** In the order in which a person reads of them. */
  account: AccountFactor[];
  hasRecoveryCodes: (db: Db, userId: string) => Promise<boolean>;
  isPasskeyOfferDue: (user: User) => boolean;
  /** When somebody who lost their factors gets in without, if they asked for it. */
  findRecovery: (user: User) => Promise<Date | undefined>;
};

export type FactorsParts = Omit<LostFactorsSteps, 'recoveryDelayHours'> &
  MessageCodeParts &
  TotpSignInParts &
  RecoveryCodeSignInParts & {
    config: Config;
    challenges: ChallengeTools;
  };

/** Puts the factors together: each is a slice of its own. */
export function createFactors(parts: FactorsParts): Factors {
  const { deps, config } = parts;
  const passkeys = config.mfa.factors.includes('passkey') ? [passkeyFactor(parts)] : [];
  const lost = { ...parts, recoveryDelayHours: config.mfa.recoveryDelayHours };
  return {
    login: joinFactors([
      ...passkeys.map(({ login }) => login),
      totpPages(parts),
      messageCodePages(parts),
      recoveryCodePages(parts),
      lostFactorsPages(lost),
    ]),
    account: [
      ...passkeys,
      totp(parts),
      messageCodes(parts),
      recoveryCodes(parts),
      lostFactors(lost),
    ],
    hasRecoveryCodes,
    findRecovery: (user) => findReadyAt(lost, user),
    isPasskeyOfferDue: (user) => isOfferDue(user, config.passkeys.offerDays, deps.now()),
  };
}

function passkeyFactor(parts: FactorsParts): AccountFactor & { login: FactorPages } {
  const { config, renderer, deps } = parts;
  const { issuer, productName, mfa } = config;
  const passkeys = {
    ...parts,
    issuer,
    productName,
    mfa,
    relyingParty: config.passkeys,
    localeOf: renderer.localeOf,
    hasPassword: async (db: Db, userId: string) => (await findPassword(db, userId)) !== undefined,
  };
  return {
    login: passkeyPages(passkeys),
    account: (account) => passkeyAccount(account, passkeys),
    summary: async (user) => [await passkeySummary(deps.db, user)],
  };
}

function totp(parts: TotpSignInParts): AccountFactor {
  return {
    account: (account) => totpAccount(account, { ...parts, hasRecoveryCodes }),
    summary: async (user) =>
      // Of an app that is no longer allowed, who has it is told.
      parts.mfa.factors.includes('totp') || user.factors.includes('totp')
        ? [await totpSummary(parts.deps.db, user)]
        : [],
  };
}

function recoveryCodes(parts: RecoveryCodeSignInParts): AccountFactor {
  return {
    account: (account) => recoveryCodeAccount(account, parts),
    summary: async (user) => [await recoveryCodeSummary(parts.deps.db, user)],
  };
}

function messageCodes(parts: MessageCodeParts): AccountFactor {
  return {
    account: (account) => messageCodeAccount(account, parts),
    summary: (user) => messageCodeSummaries(parts, user),
  };
}

function lostFactors(parts: LostFactorsSteps): AccountFactor {
  return {
    account: (account) => lostFactorsAccount(account, parts),
    summary: async () => [],
  };
}
