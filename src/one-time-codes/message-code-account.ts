import { transaction } from '../db/pool.ts';
import type { Deps, Trx } from '../deps.ts';
import type { Renderer } from '../http/render.ts';
import type { FactorAccount, FactorSummary, FactorVisit } from '../mfa/factor.ts';
import { mustKeep } from '../mfa/must-keep.ts';
import { momentFormat } from '../users/moments.ts';
import { lockActiveUser, type User } from '../users/store.ts';
import {
  addressOf,
  CHANNELS,
  type Channel,
  type ChannelParts,
  isOffered,
  turnOffChannel,
  turnOnChannel,
} from './message-factor.ts';
import { listMessageFactors } from './store.ts';

export type MessageCodeAccountParts = ChannelParts & {
  deps: Deps;
  renderer: Pick<Renderer, 'localeOf'>;
  issuer: string;
};

const PATH = '/message-codes';

/** The page on which a person turns codes by text message or mail on and off. */
export function messageCodeAccount(account: FactorAccount, parts: MessageCodeAccountParts): void {
  account.page(PATH, { fresh: true }, (visit) => show(parts, visit));
  account.action(PATH, { fresh: true }, async (visit, form) => {
    const channel = CHANNELS.find((one) => one === form.channel);
    const wish = form.turn === 'on' || form.turn === 'off' ? form.turn : undefined;
    const problem =
      channel === undefined || wish === undefined
        ? 'unavailable'
        : await transaction(parts.deps.db, (trx) => turn(trx, parts, visit, channel, wish));
    if (problem === undefined) return `${PATH}?done=message_codes_${wish}`;
    await show(parts, visit, problem);
    return undefined;
  });
}

/** Undefined says that it is as it was wished, also to the same form sent again. */
async function turn(
  trx: Trx,
  parts: MessageCodeAccountParts,
  { user: { id }, ctx, origin }: FactorVisit,
  channel: Channel,
  wish: 'on' | 'off',
): Promise<'unavailable' | 'last_factor' | undefined> {
  const user = await lockActiveUser(trx, id);
  if (user === undefined) return 'unavailable';
  const tools = { ...parts, locale: parts.renderer.localeOf(ctx) };
  if (wish === 'on') {
    if (!isOffered(parts, channel) || addressOf(user, channel) === undefined) return 'unavailable';
    await turnOnChannel(trx, tools, origin, user, channel);
    return undefined;
  }
  if (mustKeep(parts.mfa, user, channel)) return 'last_factor';
  await turnOffChannel(trx, tools, origin, user, channel);
  return undefined;
}

async function show(
  parts: MessageCodeAccountParts,
  visit: FactorVisit,
  error?: string,
): Promise<void> {
  const { ctx, user } = visit;
  const say = momentFormat(parts.renderer.localeOf(ctx), user);
  const factors = await listMessageFactors(parts.deps.db, user.id);
  const channels = CHANNELS.flatMap((channel) => {
    const factor = factors.find((one) => one.channel === channel);
    const offered = isOffered(parts, channel);
    if (!offered && factor === undefined) return [];
    const address = addressOf(user, channel);
    return {
      channel,
      on: factor !== undefined,
      address,
      possible: offered && address !== undefined,
      since: factor && say(factor.created_at),
      lastUsed: factor?.last_used_at && say(factor.last_used_at),
    };
  });
  const status = error === undefined ? 200 : 422;
  visit.show('account-message-codes', { channels, error }, status);
}

/** A row for each way that is allowed, or still turned on. */
export async function messageCodeSummaries(
  parts: ChannelParts & { deps: Deps },
  user: User,
): Promise<FactorSummary[]> {
  const factors = await listMessageFactors(parts.deps.db, user.id);
  return CHANNELS.flatMap((channel) => {
    const factor = factors.find((one) => one.channel === channel);
    if (factor === undefined && !isOffered(parts, channel)) return [];
    const on = factor !== undefined;
    return { factor: channel, on, lastUsed: factor?.last_used_at ?? null, path: PATH };
  });
}
