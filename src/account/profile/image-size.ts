/** What an image's header says, which is known before anything is decoded. */
export type ImageSize = {
  /** Of the largest frame. */
  pixels: number;
  /** How many times longer than wide, or wider than long, the most extreme frame is. */
  ratio: number;
  /** Bytes that a pixel takes decoded, at most. */
  bytesPerPixel: number;
};

type Frame = { width: number; height: number };

const PNG = 0x8950_4e47_0d0a_1a0an;

/** Reads the header of a PNG, JPEG or WebP file; undefined for anything else, whatever its name. */
export function readImageSize(file: Buffer): ImageSize | undefined {
  try {
    const frames = framesOf(file);
    if (frames === undefined || frames.length === 0) return undefined;
    const size = { pixels: 0, ratio: 1, bytesPerPixel: isDeep(file) ? 8 : 4 };
    for (const { width, height } of frames) {
      if (width === 0 || height === 0) return undefined;
      size.pixels = Math.max(size.pixels, width * height);
      size.ratio = Math.max(size.ratio, width / height, height / width);
    }
    return size;
  } catch (error) {
    // The file ends before its header does.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function framesOf(file: Buffer): Frame[] | undefined {
  if (isPng(file)) return [{ width: file.readUInt32BE(16), height: file.readUInt32BE(20) }];
  if (file.readUInt16BE(0) === 0xffd8) return jpegFrames(file);
  if (file.toString('latin1', 0, 4) === 'RIFF' && file.toString('latin1', 8, 12) === 'WEBP') {
    return webpFrames(file, 12, file.length);
  }
  return undefined;
}

function isPng(file: Buffer): boolean {
  return file.length >= 8 && file.readBigUInt64BE(0) === PNG;
}

/** A PNG of 16 bits a channel. */
function isDeep(file: Buffer): boolean {
  return isPng(file) && file.readUInt8(24) === 16;
}

/** The first frame header, SOF0 to SOF15 (ITU T.81 §B.2.2). */
function jpegFrames(file: Buffer): Frame[] {
  let at = 2;
  for (;;) {
    if (file.readUInt8(at) !== 0xff) return [];
    const marker = file.readUInt8(at + 1);
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return [{ height: file.readUInt16BE(at + 5), width: file.readUInt16BE(at + 7) }];
    // Fill bytes come before a marker, and some markers are alone.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (marker === 0xd9 || marker === 0xda) return [];
    else at += 2 + file.readUInt16BE(at + 2);
  }
}

/**
 * All frames (RFC 9649 §2): the canvas may be said to be small and what is on it be large, which a
 * decoder finds out when it has decoded it. A chunk within a chunk ends where that one does and has
 * none of its own, so that no byte is looked at more than twice.
 */
function webpFrames(file: Buffer, from: number, end: number, within = false): Frame[] {
  const frames: Frame[] = [];
  for (let at = from; at + 8 <= end; ) {
    const type = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const data = at + 8;
    const frame = chunkFrame(file, type, data);
    if (frame !== undefined) frames.push(frame);
    if (type === 'ANMF' && !within) {
      for (const inner of webpFrames(file, data + 16, Math.min(data + size, end), true)) {
        frames.push(inner);
      }
    }
    at = data + size + (size % 2);
  }
  return frames;
}

function chunkFrame(file: Buffer, type: string, at: number): Frame | undefined {
  if (type === 'VP8X') {
    return { width: file.readUIntLE(at + 4, 3) + 1, height: file.readUIntLE(at + 7, 3) + 1 };
  }
  if (type === 'VP8 ') {
    const [width, height] = [file.readUInt16LE(at + 6), file.readUInt16LE(at + 8)];
    return { width: width & 0x3fff, height: height & 0x3fff };
  }
  if (type === 'VP8L') {
    const bits = file.readUInt32LE(at + 1);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  return undefined;
}
