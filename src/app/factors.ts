import type { AccountFactor } from '../account/account.ts';
import type { Db } from '../deps.ts';
import { joinFactors } from '../login/pages.ts';
import type { FactorPages } from '../mfa/factor.ts';
import { hasRecoveryCodes } from '../recovery-codes/store.ts';
import type { User } from '../users/store.ts';

/** What second factors and passkeys bring to signing in and to the account pages. */
export type Factors = {
  login: FactorPages;
  /** In the order in which a person reads of them. */
  account: AccountFactor[];
  hasRecoveryCodes: (db: Db, userId: string) => Promise<boolean>;
  isPasskeyOfferDue: (user: User) => boolean;
};

/** Puts the factors together: each is a slice of its own. */
export function createFactors(): Factors {
  return {
    login: joinFactors([]),
    account: [],
    hasRecoveryCodes,
    isPasskeyOfferDue: () => false,
  };
}
