import type { Sample } from '../page-samples.ts';

/** Apps, sessions, activity, data and deletion. */
export const SAMPLES: Sample[] = [];
