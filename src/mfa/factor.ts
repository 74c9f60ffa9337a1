import type { Context } from 'koa';
import type { Origin } from '../audit/events.ts';
import type { Trx } from '../deps.ts';
import type { PageName } from '../http/render.ts';
import type { User } from '../users/store.ts';
import type { FactorName } from './acr.ts';

/** A sign-in that a factor takes part in: the request, and where it stands. */
export type FactorStep = {
  ctx: Context;
  /** Of the interaction: what codes, challenges and enrolments are bound to. */
  uid: string;
  clientId: string;
  /** Whom it is about: known once something is proven or somebody steps up; else undefined. */
  user: User | undefined;
  /** The page of the flow that the person is in the middle of. */
  step: string | null;
  /** What they typed there. */
  form: Record<string, string>;
  /** How they came this far: no code is mailed to who came by one. */
  proven: readonly FactorName[];
};

/** What a factor says of a person it has proven. */
export type FactorProof = {
  factor: FactorName;
  /** RFC 8176, where it depends on the credential; else what the factor always is. */
  amr?: readonly string[];
  /** The person wants no second factor to be asked for in this browser for a while. */
  remember?: boolean;
  /** It was turned on just now. */
  enrolled?: boolean;
};

/** The sign-in as a factor changes it; joined in app.ts. */
export type FactorSignIn = {
  change: (
    trx: Trx,
    uid: string,
    change: {
      step?: string | null;
      form?: Record<string, string>;
      error?: string | null;
      error_page?: string | null;
      retry_after?: number | null;
    },
  ) => Promise<void>;
  prove: (
    ctx: Context,
    trx: Trx,
    request: { uid: string; clientId: string },
    user: User,
    proof: FactorProof,
  ) => Promise<void>;
};

type Locals = Record<string, unknown>;

/** What a factor brings to signing in, below /interaction/:uid. */
export type FactorPages = {
  /** Locals of its own pages; `user` is known on all of them. */
  pages: Partial<Record<PageName, (step: FactorStep & { user: User }) => Promise<Locals>>>;
  /** What it adds to the pages of others, such as the sign-in page. */
  additions?: Partial<Record<PageName, (step: FactorStep) => Promise<Locals>>>;
  /**
   * What forms do, by the last part of their address. Each is for a page: it is only done where that
   * page may be shown, or the sign-in page for `first`, on which nobody is known yet. What is wrong is
   * kept by `change` (error, error_page). Gives the page to go on at, if that isn't simply the next.
   */
  actions: Record<
    string,
    {
      page: PageName;
      first?: boolean;
      act: (step: FactorStep, form: Record<string, string>) => Promise<PageName | undefined>;
    }
  >;
};

/** A request of somebody who is signed in to their account. */
export type FactorVisit = {
  ctx: Context;
  session: { uid: string };
  user: User;
  origin: Origin;
  /** Answers with a page of theirs; 422 where a form is shown again with what is wrong with it. */
  show: (page: PageName, locals?: Locals, status?: number) => void;
};

/** The account, as a factor adds pages to it; account/account.ts says what each does. */
export type FactorAccount = {
  pathOf: (path: string) => string;
  page: (
    path: string,
    options: { fresh?: boolean },
    handle: (visit: FactorVisit) => Promise<void>,
  ) => void;
  action: (
    path: string,
    options: { fresh?: boolean; back?: string },
    handle: (visit: FactorVisit, form: Record<string, string>) => Promise<string | undefined>,
  ) => void;
};

/** What a factor says of itself on the page that lists how a person signs in. */
export type FactorSummary = {
  /** Key of the factor's name, below `factors`. */
  factor: FactorName | 'trusted-devices';
  on: boolean;
  /** How many there are, of what can be many. */
  count?: number;
  lastUsed?: Date | null;
  /** Below /account. */
  path: string;
};
