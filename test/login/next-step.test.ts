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
const offering: LoginState = { ...stranger, offers: new Set(['register', 'reset-password']) };
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
    [
      'a link to a page that is offered leads there',
      { ...offering, asked: 'reset-password' },
      { page: 'reset-password' },
    ],
    [
      'also for a person who is signed in',
      { ...offering, sessionUserId: ADA, asked: 'register' },
      { page: 'register' },
    ],
    [
      'a page that isn’t offered is the sign-in',
      { ...stranger, asked: 'register' },
      { page: 'login' },
    ],
    ['so is one that nobody knows', { ...offering, asked: 'constructor' }, { page: 'login' }],
    [
      'a page that others lead to can’t be asked for',
      { ...offering, asked: 'verify-email' },
      { page: 'login' },
    ],
    [
      'a person in the middle of something goes on there',
      { ...offering, step: 'verify-email' },
      { page: 'verify-email' },
    ],
    [
      'by its own address too',
      { ...offering, step: 'verify-email', asked: 'verify-email' },
      { page: 'verify-email' },
    ],
    [
      'and may turn to another page',
      { ...offering, step: 'verify-email', asked: 'register' },
      { page: 'register' },
    ],
    ['or back to the sign-in', { ...offering, step: 'code', asked: 'login' }, { page: 'login' }],
    [
      'back to the password, for a person who is signed in',
      { ...offering, sessionUserId: ADA, step: 'code', asked: 'login' },
      { page: 'password', userId: ADA },
    ],
    [
      'a request for an account leads to the sign-up',
      { ...offering, prompt: 'create' },
      { page: 'register' },
    ],
    [
      'also for a person who is signed in',
      { ...offering, prompt: 'create', sessionUserId: ADA },
      { page: 'register' },
    ],
    [
      'who may sign in instead',
      { ...offering, prompt: 'create', asked: 'login' },
      { page: 'login' },
    ],
    [
      'and is in the middle of it once it began',
      { ...offering, prompt: 'create', step: 'verify-email' },
      { page: 'verify-email' },
    ],
    [
      'a request for an account is met by a proof',
      { ...offering, prompt: 'create', proofs: [proof(ADA, 5)] },
      done(ADA, 5),
    ],
    [
      'nothing that is asked for leads past a proof',
      { ...offering, step: 'code', asked: 'register', proofs: [proof(ADA, 5)] },
      done(ADA, 5),
    ],
    [
      'a password that must be changed proves nothing more before it is',
      { ...stranger, proofs: [{ ...proof(ADA, 5), mustChange: '2026-11-24' }] },
      { page: 'new-password', userId: ADA },
    ],
    [
      'whatever page is asked for',
      { ...offering, asked: 'login', proofs: [{ ...proof(ADA, 5), mustChange: '2026-11-24' }] },
      { page: 'new-password', userId: ADA },
    ],
    [
      'also when an older proof needs no change',
      {
        ...stranger,
        proofs: [proof(ADA, 1, ['otp']), { ...proof(ADA, 5), mustChange: '2026-11-24' }],
      },
      { page: 'new-password', userId: ADA },
    ],
    [
      'consent is asked whatever page is asked for',
      { ...offering, prompt: 'consent', sessionUserId: ADA, asked: 'register', step: 'code' },
      { page: 'consent' },
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
