import type { Sample } from '../page-samples.ts';

/** Profile, picture, address, phone and password. */
export const SAMPLES: Sample[] = [];
