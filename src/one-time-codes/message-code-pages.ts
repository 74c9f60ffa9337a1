import { transaction } from '../db/pool.ts';
import { AppError } from '../errors.ts';
import type { PageName } from '../http/render.ts';
import type { FactorPages, FactorStep } from '../mfa/factor.ts';
import { maskEmail, maskPhone } from '../users/mask-address.ts';
import type { Channel } from './message-factor.ts';
import {
  addresseeIn,
  type CodeProblem,
  isAwaited,
  type KnownStep,
  type MessageCodeParts,
  proveByCode,
  sendMessageCode,
} from './second-factor.ts';

type CodePage = 'sms-code' | 'mail-code';
const CHANNEL: Readonly<Record<CodePage, Channel>> = { 'sms-code': 'sms', 'mail-code': 'email' };

/**
 * What codes by message bring to signing in, below /interaction/:uid. Each of the two pages has a
 * button that sends a code (send-sms-code, send-mail-code), then a field to type it. Where a second
 * factor is required and the person has none, the right code turns this one on.
 */
export function messageCodePages(parts: MessageCodeParts): FactorPages {
  return {
    pages: {
      'sms-code': (step) => describe(parts, step, 'sms-code'),
      'mail-code': (step) => describe(parts, step, 'mail-code'),
    },
    actions: {
      'sms-code': action(parts, 'sms-code', enter),
      'mail-code': action(parts, 'mail-code', enter),
      'send-sms-code': action(parts, 'sms-code', send),
      'send-mail-code': action(parts, 'mail-code', send),
    },
  };
}

async function describe(parts: MessageCodeParts, step: KnownStep, page: CodePage) {
  const channel = CHANNEL[page];
  const address = addresseeIn(parts, step, channel);
  // Removed in another tab: the sign-in page knows what else there is.
  if (address === undefined) throw new AppError('not_found');
  const { uid, user } = step;
  const path = `${parts.basePath}/interaction/${encodeURIComponent(uid)}`;
  return {
    channel,
    address: channel === 'sms' ? maskPhone(address) : maskEmail(address),
    waiting: await isAwaited(parts, uid, channel, address),
    enrolling: !user.factors.includes(channel),
    sendAction: `${path}/send-${page}`,
  };
}

type Act = (
  parts: MessageCodeParts,
  step: KnownStep,
  page: CodePage,
  form: Record<string, string>,
) => Promise<PageName | undefined>;

function action(parts: MessageCodeParts, page: CodePage, act: Act): FactorPages['actions'][string] {
  return {
    page,
    act: async (step: FactorStep, form) => {
      const { user } = step;
      return user && act(parts, { ...step, user }, page, form);
    },
  };
}

async function send(
  parts: MessageCodeParts,
  step: KnownStep,
  page: CodePage,
): Promise<PageName | undefined> {
  const channel = CHANNEL[page];
  const address = addresseeIn(parts, step, channel);
  if (address === undefined) return undefined;
  const problem = await sendMessageCode(parts, step, channel, address);
  await say(parts, step, page, problem);
  return page;
}

async function enter(
  parts: MessageCodeParts,
  step: KnownStep,
  page: CodePage,
  form: Record<string, string>,
): Promise<PageName | undefined> {
  const problem = await proveByCode(parts, step, CHANNEL[page], form);
  if (problem === undefined) return undefined;
  await say(parts, step, page, problem);
  return page;
}

/** Keeps what is wrong for the page, or that nothing is any more. */
function say(
  { deps, signIn }: MessageCodeParts,
  { uid }: KnownStep,
  page: CodePage,
  problem: CodeProblem | undefined,
): Promise<void> {
  const { error = null, retryAfter = null } = problem ?? {};
  const change = { step: page, error, error_page: page, retry_after: retryAfter };
  return transaction(deps.db, (trx) => signIn.change(trx, uid, change));
}
