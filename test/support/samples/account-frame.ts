/** What every page of somebody's account is shown with. */
export const ACCOUNT_PAGE = {
  frame: { base: '/account', account: 'ada.lovelace@example.com' },
  base: '/account',
  action: '/post',
};

/** The same of a person with the longest address there is. */
export const LONG_ACCOUNT_PAGE = {
  ...ACCOUNT_PAGE,
  frame: { base: '/account', account: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com` },
};
