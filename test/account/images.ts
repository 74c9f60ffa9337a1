import { Transformer } from '@napi-rs/image';

/** Red at the left and blue at the right, so that what was turned or cut shows. */
export function twoHalves(width = 600, height = 400): Transformer {
  const pixels = Buffer.alloc(width * height * 4, 255);
  for (let i = 0; i < width * height; i += 1) {
    const left = i % width < width / 2;
    pixels.set(left ? [255, 0, 0] : [0, 0, 255], i * 4);
  }
  return Transformer.fromRgbaPixels(pixels, width, height);
}

/** A JPEG as a camera held upright makes it: to be turned by 90°, and with the place it was taken. */
export async function cameraJpeg(): Promise<Buffer> {
  const jpeg = await twoHalves().jpeg(90);
  return Buffer.concat([jpeg.subarray(0, 2), exifSegment(), jpeg.subarray(2)]);
}

/** An APP1 segment (Exif 2.3 §4.7.2) with Orientation 6 and a GPS directory. */
function exifSegment(): Buffer {
  const entry = (tag: number, type: number, count: number, value: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt16BE(tag, 0);
    bytes.writeUInt16BE(type, 2);
    bytes.writeUInt32BE(count, 4);
    if (type === 3) bytes.writeUInt16BE(value, 8);
    else bytes.writeUInt32BE(value, 8);
    return bytes;
  };
  const count = (n: number) => Buffer.from([0, n]);
  const none = Buffer.alloc(4);
  const header = Buffer.from('MM\0*\0\0\0\x08', 'latin1');
  const first = [count(2), entry(0x0112, 3, 1, 6), entry(0x8825, 4, 1, 38), none];
  const place = Buffer.from('PLACE-OF-THE-PICTURE\0', 'latin1');
  const gps = [count(1), entry(0x001d, 2, place.length, 56), none];
  const tiff = Buffer.concat([header, ...first, ...gps, place]);
  const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

/** A PNG whose header claims a size that its data doesn't have. */
export function pngBomb(width: number, height: number): Buffer {
  const file = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  return file;
}

/** A WebP whose canvas is one pixel, with a frame on it of any size (RFC 9649 §2.7). */
export function webpBomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(data.length);
    return Buffer.concat([Buffer.from(type), size, data]);
  };
  const frame = Buffer.alloc(10);
  frame.set([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a]);
  frame.writeUInt16LE(width, 6);
  frame.writeUInt16LE(height, 8);
  const body = Buffer.concat([
    Buffer.from('WEBP'),
    chunk('VP8X', Buffer.alloc(10)),
    chunk('VP8 ', frame),
  ]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from('RIFF'), size, body]);
}

/** A WebP in which chunks claim to reach past the end of the chunks they are in, again and again. */
export function nestedWebp(depth: number): Buffer {
  const header = (type: string, size: number) => {
    const bytes = Buffer.alloc(8);
    bytes.write(type, 'latin1');
    bytes.writeUInt32LE(size, 4);
    return bytes;
  };
  const block = Buffer.concat([
    header('ANMF', 24),
    Buffer.alloc(16),
    header('ANMF', 0x7fff_ffff),
    header('XXXX', 8),
    Buffer.alloc(8),
  ]);
  const body = Buffer.concat(Array.from({ length: depth }, () => block));
  return Buffer.concat([header('RIFF', body.length + 4), Buffer.from('WEBP'), body]);
}
