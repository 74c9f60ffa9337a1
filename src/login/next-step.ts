/** What a finished step hands back: who is proven, how (RFC 8176) and when (epoch seconds). */
export type Proof = { userId: string; amr: string[]; at: number };

/** Everything that decides what a sign-in needs next. */
export type LoginState = {
  prompt: 'login' | 'consent';
  /** Who is signed in to this browser and asked to prove it again. */
  sessionUserId: string | undefined;
  /** The person chose to go on as somebody else, or the request names somebody else. */
  otherAccount: boolean;
  proofs: Proof[];
};

export type Step =
  | { page: 'login' }
  | { page: 'password'; userId: string }
  | { page: 'consent' }
  | { done: { accountId: string; amr: string[]; acr: string; ts: number } };

export const ACR_ONE_FACTOR = 'urn:plinto:acr:1fa';

/**
 * What comes next, decided here and nowhere else (login.md). Proofs of different people never add
 * up: only those of the latest count.
 */
export function nextStep(state: LoginState): Step {
  if (state.prompt === 'consent') return { page: 'consent' };
  const latest = state.proofs.at(-1);
  if (latest === undefined) {
    return state.sessionUserId !== undefined && !state.otherAccount
      ? { page: 'password', userId: state.sessionUserId }
      : { page: 'login' };
  }
  const proofs = state.proofs.filter((proof) => proof.userId === latest.userId);
  return {
    done: {
      accountId: latest.userId,
      amr: [...new Set(proofs.flatMap((proof) => proof.amr))],
      acr: ACR_ONE_FACTOR,
      ts: latest.at,
    },
  };
}
