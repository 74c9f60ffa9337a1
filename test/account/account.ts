import type { TestApp } from '../support/app.ts';
import { PASSWORD } from '../support/app.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

/** Signs a new browser in at the account pages; the page is the one that was asked for. */
export async function openAccount(
  app: Pick<TestApp, 'issuer'>,
  identifier: string,
  path = '/account',
  headers: Record<string, string> = {},
): Promise<{ visitor: Visitor; page: Page }> {
  const visitor = createVisitor(headers);
  const login = await visitor.open(`${app.issuer}${path}`);
  const page = await visitor.submit(login, '/login', { identifier, password: PASSWORD });
  return { visitor, page };
}

/** Types of the events recorded of a user, oldest first, without those of signing in. */
export async function eventsOf(app: TestApp, userId: string): Promise<string[]> {
  const rows = await app.runtime.deps
    .db('audit_events')
    .where({ user_id: userId })
    .whereNot('type', 'like', 'sign_in.%')
    .whereNotIn('type', ['user.created', 'password.set'])
    .orderBy('id');
  return rows.map(({ type }) => type);
}

/** Makes the sign-in of a visitor's session one of `seconds` ago. */
export async function signInAgo(app: TestApp, userId: string, seconds: number): Promise<void> {
  const { db } = app.runtime.deps;
  await db('oidc_sessions')
    .where({ account_id: userId })
    .update({
      payload: db.raw(
        `jsonb_set(payload::jsonb, '{loginTs}', to_jsonb((payload->>'loginTs')::bigint - ?::bigint))`,
        [seconds],
      ),
    });
}
