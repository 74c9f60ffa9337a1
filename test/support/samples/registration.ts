import type { Sample } from '../page-samples.ts';

/** Pages of signing up and of invitations. */
export const SAMPLES: Sample[] = [];
