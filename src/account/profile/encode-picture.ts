import type { ResizeFit, Transformer } from '@napi-rs/image';
import { createBoundedQueue } from '../../crypto/bounded-queue.ts';
import { readImageSize } from './image-size.ts';

/** Width and height of a stored picture in pixels. */
const SIDE = 256;

/** The largest logo that is stored, in pixels. */
const LOGO = { width: 512, height: 128 };

/** Bytes that an image may take while it is decoded: 40 megapixels of the usual kind. */
const MAX_DECODED = 160_000_000;

/**
 * Times that an image may be longer than wide: the short side is scaled to {@link SIDE} before the
 * rest is cut off, so that of a line of pixels a square would be made as large as the line is long.
 */
const MAX_RATIO = 20;

const QUALITY = 80;

// One at a time: decoding takes memory and a core, and nobody minds a second's wait for it.
const turn = createBoundedQueue(1, 8);

export type EncodedPicture =
  | { ok: true; content: Buffer }
  | { ok: false; reason: 'format' | 'dimensions' | 'shape' | 'unreadable' };

/**
 * Makes a square WebP of whatever PNG, JPEG or WebP somebody uploads, as it is meant to be looked at
 * and without what else the file says, such as where it was taken.
 *
 * @throws AppError busy when too many are waiting.
 */
export async function encodePicture(file: Buffer): Promise<EncodedPicture> {
  return encode(file, async (image, fits) =>
    image.resize({ width: SIDE, height: SIDE, fit: fits.Cover }).webp(QUALITY),
  );
}

/**
 * Makes a WebP of the same kinds of file that is no wider or higher than a logo may be: what is smaller
 * stays so, its sides in proportion, and what was transparent is.
 *
 * @throws AppError busy when too many are waiting.
 */
export async function encodeLogo(file: Buffer): Promise<EncodedPicture> {
  return encode(file, async (image, fits) => {
    const { width, height, orientation = 1 } = await image.metadata(true);
    // A camera that was held upright says so, and that width and height are the other way round.
    const [wide, high] = orientation > 4 ? [height, width] : [width, height];
    const box = { width: Math.min(LOGO.width, wide), height: Math.min(LOGO.height, high) };
    return image.resize({ ...box, fit: fits.Inside }).webpLossless();
  });
}

async function encode(
  file: Buffer,
  finish: (image: Transformer, fits: typeof ResizeFit) => Promise<Buffer>,
): Promise<EncodedPicture> {
  const size = readImageSize(file);
  if (size === undefined) return { ok: false, reason: 'format' };
  if (size.pixels * size.bytesPerPixel > MAX_DECODED) return { ok: false, reason: 'dimensions' };
  if (size.ratio > MAX_RATIO) return { ok: false, reason: 'shape' };
  return turn(async () => {
    // Loaded with the first upload: most processes never see one.
    const { ResizeFit, Transformer } = await import('@napi-rs/image');
    try {
      return { ok: true, content: await finish(new Transformer(file).rotate(), ResizeFit) };
    } catch {
      // Cut short, damaged, or of a kind that the decoder doesn't know.
      return { ok: false, reason: 'unreadable' };
    }
  });
}
