import { generateURI } from 'otplib';
import { encode } from 'uqr';

/** How a secret is shown to somebody, for an app to read. */
export type ShownKey = {
  /** In groups of four, to be typed. */
  key: string;
  /** For apps on the same device. */
  uri: string;
  /** For a camera: side of the square in modules, and the dark ones as a path of SVG. */
  qr: { size: number; path: string };
};

/** Modules of white around a QR code (ISO/IEC 18004 §5.3.8). */
const QUIET_ZONE = 4;

/**
 * Says a secret to apps, as the Key Uri Format of Google Authenticator has it.
 *
 * @param secret in base32.
 */
export function showKey(secret: string, issuer: string, account: string): ShownKey {
  // A colon separates the two in what apps read.
  const uri = generateURI({ issuer: issuer.replaceAll(':', ' '), label: account, secret });
  return { key: secret.match(/.{1,4}/g)?.join(' ') ?? '', uri, qr: drawQr(uri) };
}

function drawQr(text: string): ShownKey['qr'] {
  const { data, size } = encode(text, { ecc: 'L', boostEcc: true, border: QUIET_ZONE });
  const path = data
    .flatMap((row, y) =>
      [
        ...row
          .map((dark) => (dark ? '1' : '0'))
          .join('')
          .matchAll(/1+/g),
      ].map(({ index, 0: run }) => `M${index} ${y}h${run.length}v1h-${run.length}z`),
    )
    .join('');
  return { size, path };
}
