import type { Sample } from '../page-samples.ts';

/** What the development mailbox shows. */
export const SAMPLES: Sample[] = [];
