import { readColour } from '../../../organizations/branding/accent.ts';

/** What a colour field without a colour of the organization's own shows: the installation's accent. */
export const DEFAULT_ACCENT = '#2451b2';

/**
 * The colour that a form means, which has it twice: to be picked, and to be typed. Without script
 * neither follows the other, so the one that differs from what the page showed is meant, and what was
 * typed if both do.
 *
 * @returns null for none; undefined for what is no colour.
 */
export function readAccent(form: Record<string, string>): string | null | undefined {
  const [typed = '', picked = '', shown = ''] = [form.accent, form.picked, form.shown].map((text) =>
    text?.trim().toLowerCase(),
  );
  const meant = typed === shown && picked !== (shown || DEFAULT_ACCENT) ? picked : typed;
  return meant === '' ? null : readColour(meant);
}
