import { startApp, type TestApp } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createVisitor, type Page, pageName, type Visitor } from '../support/visitor.ts';

/** A password that meets the rules and is nobody's in other tests. */
export const NEW_PASSWORD = 'amber-lantern-drifts-73';

/** An installation that lets people sign up, and the mail it sends. */
export type RegistrationApp = TestApp & { mailbox: Mailbox; clientId: string };

/** Starts it; `SIGN_UP_MIN_SECONDS` is 0 unless given, as tests type fast. */
export async function startRegistrationApp(
  env: Record<string, string> = {},
): Promise<RegistrationApp> {
  const mailbox = await startMailbox();
  const app = await startApp({
    SIGN_UP: 'open',
    SIGN_UP_MIN_SECONDS: '0',
    SMTP_URL: mailbox.url,
    ...env,
  });
  const { client } = await app.createClient();
  const stop = async () => {
    await app.stop();
    await mailbox.stop();
  };
  return { ...app, mailbox, clientId: client.id, stop };
}

/** The sign-up page of a new sign-in. */
export async function openSignUp(
  app: Pick<RegistrationApp, 'issuer' | 'clientId'>,
  visitor: Visitor = createVisitor(),
  params: Record<string, string> = {},
): Promise<Page> {
  const page = await visitor.open(authorizationUrl(app, app.clientId, params));
  return pageName(page) === 'register' ? page : visitor.open(`${page.url}/register`);
}

/** What somebody fills in. */
export function signUpForm(email: string): Record<string, string> {
  return { email, new_password: NEW_PASSWORD, given_name: 'Grace', family_name: 'Hopper' };
}

/** Users with an address, in whatever case. */
export function usersWith(app: TestApp, email: string): Promise<Record<string, unknown>[]> {
  return app.runtime.deps.db('users').whereRaw('lower(email) = lower(?)', [email]);
}

/** Lets mails be sent and codes be tried as if nobody had before. */
export async function forgetThrottles(app: TestApp): Promise<void> {
  await app.runtime.deps.db('throttles').delete();
}

/** How many mails and other jobs are queued. */
export async function mailsToSend(app: TestApp): Promise<number> {
  const [row] = await app.runtime.deps.db('graphile_worker.jobs').count('* as jobs');
  return Number(row?.jobs);
}

/**
 * A form's answer as it is, redirects not followed. A server that is too busy is asked again, as it
 * says.
 */
export async function post(
  visitor: Visitor,
  action: string,
  fields: Record<string, string>,
): Promise<{ status: number; location: string }> {
  for (let tries = 1; ; tries += 1) {
    const body = new URLSearchParams(fields);
    const response = await visitor.request(action, { method: 'POST', body });
    await response.arrayBuffer();
    const { status, headers } = response;
    if (status !== 503 || tries === 10) {
      return { status, location: headers.get('location') ?? '' };
    }
  }
}
