import type { Trx } from '../deps.ts';

/** Ends everything a person is signed in to: sessions, grants, refresh and access tokens, codes. */
export async function endUserState(trx: Trx, userId: string): Promise<void> {
  for (const table of ['oidc_artifacts', 'oidc_refresh_tokens', 'oidc_grants', 'oidc_sessions']) {
    await trx(table).where({ account_id: userId }).delete();
  }
}
