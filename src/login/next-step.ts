/** What a finished step hands back: who is proven, how (RFC 8176) and when (epoch seconds). */
export type Proof = {
  userId: string;
  amr: string[];
  at: number;
  /** The password that was given only leads to choosing another: when it was set tells which it was. */
  mustChange?: string;
};

/** Everything that decides what a sign-in needs next. */
export type LoginState = {
  prompt: 'create' | 'login' | 'consent';
  /** Who is signed in to this browser and asked to prove it again. */
  sessionUserId: string | undefined;
  /** The person chose to go on as somebody else, or the request names somebody else. */
  otherAccount: boolean;
  proofs: Proof[];
  /** The page that a person is in the middle of: a code is on its way to them, say. */
  step: string | undefined;
  /** The page that the address asks for, when somebody followed a link to it. */
  asked: string | undefined;
  /** Pages that anybody may ask for: what this installation offers beside signing in. */
  offers: ReadonlySet<string>;
};

export type Step =
  | { page: 'login' }
  | { page: 'password' | 'new-password'; userId: string }
  | { page: 'consent' }
  /** A page of another slice. */
  | { page: string }
  | { done: { accountId: string; amr: string[]; acr: string; ts: number } };

export const ACR_ONE_FACTOR = 'urn:plinto:acr:1fa';

/**
 * What comes next, decided here and nowhere else (login.md). Proofs of different people never add
 * up: only those of the latest count.
 */
export function nextStep(state: LoginState): Step {
  if (state.prompt === 'consent') return { page: 'consent' };
  const latest = state.proofs.at(-1);
  if (latest === undefined) return identify(state);
  if (latest.mustChange !== undefined) return { page: 'new-password', userId: latest.userId };
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

function identify(state: LoginState): Step {
  const { asked, step, offers, sessionUserId } = state;
  if (asked !== undefined && offers.has(asked)) return { page: asked };
  if (step !== undefined && asked !== 'login') return { page: step };
  if (state.prompt === 'create' && asked !== 'login' && offers.has('register')) {
    return { page: 'register' };
  }
  return sessionUserId !== undefined && !state.otherAccount
    ? { page: 'password', userId: sessionUserId }
    : { page: 'login' };
}
