/** What oidc-provider stores of any of its models: the members that have a column, and the rest. */
export type Payload = {
  jti?: string;
  kind?: string;
  uid?: string;
  grantId?: string;
  accountId?: string;
  clientId?: string;
  organizationId?: string;
  userCode?: string;
  consumed?: number | undefined;
  [member: string]: unknown;
};
