import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ClientInput } from '../../clients/metadata.ts';
import type { ClientMetadata } from '../../clients/store.ts';
import { MFA_POLICIES, type MfaPolicy } from '../../mfa/policy.ts';
import { collect } from '../terminal/paging.ts';

/** What `client create` and `client update` are told alike. */
export type ClientOptions = {
  name?: string;
  redirectUri?: string[];
  postLogoutRedirectUri?: string[];
  backchannelLogoutUri?: string;
  clientUri?: string;
  initiateLoginUri?: string;
  policyUri?: string;
  tosUri?: string;
  scope?: string;
  firstParty?: boolean;
  mfa?: MfaPolicy;
  organizationRequired?: boolean;
  metadata?: ClientMetadata;
};

/** Adds the options that create and change a client. */
export function clientOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name that people are shown')
    .option('--redirect-uri <uri>', 'where people come back to; may be repeated', collect)
    .option(
      '--post-logout-redirect-uri <uri>',
      'where people may go after signing out; may be repeated',
      collect,
    )
    .option('--backchannel-logout-uri <uri>', 'where the client is told that a session ended')
    .option('--client-uri <uri>', 'its home page; people who accepted an invitation go on there')
    .option('--initiate-login-uri <uri>', 'where they go on instead to be signed in; https')
    .option('--policy-uri <uri>', 'its privacy policy, for pages that ask for consent')
    .option('--tos-uri <uri>', 'its terms of service, likewise')
    .option('--scope <scopes>', 'scopes it may ask for, separated by spaces', scopes)
    .option('--first-party', 'yours: people are not asked for consent')
    .addOption(
      new Option(
        '--mfa <policy>',
        "whether a second factor is asked for, in place of the installation's policy",
      ).choices([...MFA_POLICIES]),
    )
    .option('--organization-required', 'people always sign in to one of their organizations')
    .option('--metadata <json>', 'any client metadata (RFC 7591) as a JSON object', jsonObject)
    .option('--json', 'print JSON');
}

/** The option `--type`. */
export function kindOption(): Option {
  return new Option('--type <type>', 'what kind of application it is')
    .choices(['web', 'spa', 'native', 'machine'] satisfies ClientInput['kind'][])
    .default('web');
}

/** Reads `--id`: characters that need no escaping anywhere. @throws commander's error. */
export function clientId(text: string): string {
  if (/^[\w.~-]{1,128}$/.test(text)) return text;
  throw new InvalidArgumentError('It has 1 to 128 letters, digits, dots, dashes, underscores.');
}

/** Metadata that the options beside `--metadata` say. */
export function metadataOf(options: ClientOptions): ClientMetadata {
  const { redirectUri, postLogoutRedirectUri, backchannelLogoutUri, scope, mfa } = options;
  const { clientUri, initiateLoginUri, policyUri, tosUri } = options;
  const { organizationRequired: required } = options;
  return {
    ...(redirectUri && { redirect_uris: redirectUri }),
    ...(postLogoutRedirectUri && { post_logout_redirect_uris: postLogoutRedirectUri }),
    ...(backchannelLogoutUri !== undefined && { backchannel_logout_uri: backchannelLogoutUri }),
    ...(clientUri !== undefined && { client_uri: clientUri }),
    ...(initiateLoginUri !== undefined && { initiate_login_uri: initiateLoginUri }),
    ...(policyUri !== undefined && { policy_uri: policyUri }),
    ...(tosUri !== undefined && { tos_uri: tosUri }),
    ...(scope !== undefined && { scope }),
    ...(mfa !== undefined && { mfa }),
    ...(required !== undefined && { organization_required: required || null }),
    ...options.metadata,
  };
}

function scopes(text: string): string {
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .join(' ');
}

function jsonObject(text: string): ClientMetadata {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as ClientMetadata;
    }
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be a JSON object such as {"default_max_age":3600}.');
}
