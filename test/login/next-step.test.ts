import { describe, expect, test } from 'vitest';
import { type LoginState, nextStep, type Proof, type Step } from '../../src/login/next-step.ts';

const ADA = '01980000-0000-7000-8000-00000000000a';
const BOB = '01980000-0000-7000-8000-00000000000b';
const ACR = 'urn:plinto:acr:1fa';

const stranger: LoginState = {
  prompt: 'login',
  sessionUserId: undefined,
  otherAccount: false,
  proofs: [],
  step: undefined,
  asked: undefined,
  offers: new Set(),
};
const signedIn: LoginState = { ...stranger, sessionUserId: ADA };
const proof = (userId: string, at: number, amr = ['pwd']): Proof => ({ userId, amr, at });
const done = (accountId: string, ts: number, amr = ['pwd']): Step => ({
  done: { accountId, amr, acr: ACR, ts },
});

describe('nextStep', () => {
  test.each<[string, LoginState, Step]>([
    ['a stranger says who they are', stranger, { page: 'login' }],
    ['a person who is signed in proves it again', signedIn, { page: 'password', userId: ADA }],
    [
      'somebody else than the person signed in says who they are',
      { ...signedIn, otherAccount: true },
      { page: 'login' },
    ],
    [
      'a stranger asked for as somebody else says who they are',
      { ...stranger, otherAccount: true },
      { page: 'login' },
    ],
    ['one proof is enough', { ...stranger, proofs: [proof(ADA, 5)] }, done(ADA, 5)],
    [
      'a proof counts for a person who is signed in',
      { ...signedIn, proofs: [proof(ADA, 5)] },
      done(ADA, 5),
    ],
    [
      'a proof of somebody else counts for them, not for the session',
      { ...signedIn, proofs: [proof(BOB, 5)] },
      done(BOB, 5),
    ],
    [
      'a proof made after switching accounts is the one that counts',
      { ...signedIn, otherAccount: true, proofs: [proof(BOB, 5)] },
      done(BOB, 5),
    ],
    [
      'proofs of one person add up, at the time of the latest',
      { ...stranger, proofs: [proof(ADA, 5), proof(ADA, 9, ['otp'])] },
      done(ADA, 9, ['pwd', 'otp']),
    ],
    [
      'a method is told once however often it was used',
      { ...stranger, proofs: [proof(ADA, 5), proof(ADA, 9)] },
      done(ADA, 9),
    ],
    [
      'proofs of different people never add up',
      { ...stranger, proofs: [proof(BOB, 5, ['otp']), proof(ADA, 9)] },
      done(ADA, 9),
    ],
    [
      'an older proof of the same person counts across somebody else’s',
      { ...stranger, proofs: [proof(ADA, 1, ['otp']), proof(BOB, 5, ['hwk']), proof(ADA, 9)] },
      done(ADA, 9, ['otp', 'pwd']),
    ],
    ['consent is asked when it is due', { ...signedIn, prompt: 'consent' }, { page: 'consent' }],
    [
      'a proof doesn’t stand in for consent',
      { ...signedIn, prompt: 'consent', proofs: [proof(ADA, 5)] },
      { page: 'consent' },
    ],
  ])('%s', (_, state, expected) => {
    expect(nextStep(state)).toEqual(expected);
  });

  test('changes nothing it is handed', () => {
    const state = { ...signedIn, proofs: [proof(ADA, 5), proof(ADA, 9)] };
    const before = structuredClone(state);
    nextStep(state);
    expect(state).toEqual(before);
  });
});
