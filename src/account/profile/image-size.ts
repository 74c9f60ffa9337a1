/** What an image's header says, which is known before anything is decoded. */
export type ImageSize = {
  /** Of the largest frame. */
  pixels: number;
  /** Bytes that a pixel takes decoded, at most. */
  bytesPerPixel: number;
};

const PNG = 0x8950_4e47_0d0a_1a0an;

/** Reads the header of a PNG, JPEG or WebP file; undefined for anything else, whatever its name. */
export function readImageSize(file: Buffer): ImageSize | undefined {
  try {
    const size = sizeOf(file);
    return size !== undefined && size.pixels > 0 ? size : undefined;
  } catch (error) {
    // The file ends before its header does.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function sizeOf(file: Buffer): ImageSize | undefined {
  if (file.length >= 8 && file.readBigUInt64BE(0) === PNG) {
    const pixels = file.readUInt32BE(16) * file.readUInt32BE(20);
    return { pixels, bytesPerPixel: file.readUInt8(24) === 16 ? 8 : 4 };
  }
  if (file.readUInt16BE(0) === 0xffd8) return { pixels: jpegPixels(file), bytesPerPixel: 4 };
  if (file.toString('latin1', 0, 4) === 'RIFF' && file.toString('latin1', 8, 12) === 'WEBP') {
    return { pixels: webpPixels(file, 12, file.length), bytesPerPixel: 4 };
  }
  return undefined;
}

/** From the first frame header, SOF0 to SOF15 (ITU T.81 §B.2.2). */
function jpegPixels(file: Buffer): number {
  let at = 2;
  for (;;) {
    if (file.readUInt8(at) !== 0xff) return 0;
    const marker = file.readUInt8(at + 1);
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return file.readUInt16BE(at + 5) * file.readUInt16BE(at + 7);
    // Fill bytes come before a marker, and some markers are alone.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (marker === 0xd9 || marker === 0xda) return 0;
    else at += 2 + file.readUInt16BE(at + 2);
  }
}

/**
 * Of all frames (RFC 9649 §2): the canvas may be said to be small and what is on it be large, which
 * a decoder finds out when it has decoded it.
 */
function webpPixels(file: Buffer, from: number, end: number): number {
  let pixels = 0;
  for (let at = from; at + 8 <= end; ) {
    const size = file.readUInt32LE(at + 4);
    const data = at + 8;
    pixels = Math.max(pixels, chunkPixels(file, file.toString('latin1', at, at + 4), data, size));
    at = data + size + (size % 2);
  }
  return pixels;
}

function chunkPixels(file: Buffer, type: string, at: number, size: number): number {
  if (type === 'VP8X') return (file.readUIntLE(at + 4, 3) + 1) * (file.readUIntLE(at + 7, 3) + 1);
  if (type === 'VP8 ') {
    return (file.readUInt16LE(at + 6) & 0x3fff) * (file.readUInt16LE(at + 8) & 0x3fff);
  }
  if (type === 'VP8L') {
    const bits = file.readUInt32LE(at + 1);
    return ((bits & 0x3fff) + 1) * (((bits >>> 14) & 0x3fff) + 1);
  }
  return type === 'ANMF' ? webpPixels(file, at + 16, Math.min(at + size, file.length)) : 0;
}
