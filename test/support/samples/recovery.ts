import type { Sample } from '../page-samples.ts';

/** Pages of password reset and of signing in by code. */
export const SAMPLES: Sample[] = [];
