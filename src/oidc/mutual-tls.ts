import { X509Certificate } from 'node:crypto';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Config } from '../config.ts';

/**
 * Mutual TLS (RFC 8705) behind a proxy that ends TLS: it verifies the certificate, passes it in a
 * header, and must overwrite that header when a client sends it. Without the setting it is off.
 */
export function mutualTls(config: Config): Record<string, unknown> {
  const header = config.clientCertificateHeader;
  if (header === undefined) return { enabled: false };
  const certificateOf = (ctx: KoaContextWithOIDC): X509Certificate | undefined =>
    parseCertificate(ctx.get(header));
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: true,
    getCertificate: certificateOf,
    // The proxy only passes certificates that chain to the CA it was given.
    certificateAuthorized: (ctx: KoaContextWithOIDC) => certificateOf(ctx) !== undefined,
    certificateSubjectMatches: (ctx: KoaContextWithOIDC, property: string, expected: string) =>
      subjectMatches(certificateOf(ctx), property, expected),
  };
}

/** A PEM certificate as proxies pass it: URL-encoded, or bare base64 without line ends. */
function parseCertificate(value: string): X509Certificate | undefined {
  if (value === '') return undefined;
  try {
    const text = decodeURIComponent(value.replaceAll('+', '%2B'));
    const body = text.replace(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '');
    return new X509Certificate(Buffer.from(body, 'base64'));
  } catch {
    return undefined;
  }
}

function subjectMatches(
  certificate: X509Certificate | undefined,
  property: string,
  expected: string,
): boolean {
  if (certificate === undefined) return false;
  const names = (certificate.subjectAltName ?? '').split(', ');
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return canonicalName(certificate.subject.split('\n')) === canonicalName(splitName(expected));
    case 'tls_client_auth_san_dns':
      return names.includes(`DNS:${expected}`);
    case 'tls_client_auth_san_uri':
      return names.includes(`URI:${expected}`);
    case 'tls_client_auth_san_ip':
      return names.includes(`IP Address:${expected}`);
    case 'tls_client_auth_san_email':
      return names.includes(`email:${expected}`);
    default:
      return false;
  }
}

/** The parts of a distinguished name; a comma with a backslash before it belongs to a value. */
function splitName(name: string): string[] {
  return name.match(/(?:\\.|[^,\\])+/g) ?? [];
}

/** Distinguished names are written in both orders (RFC 4514 and OpenSSL's); compare as sets. */
function canonicalName(parts: string[]): string {
  return parts
    .map((part) => part.trim())
    .filter(Boolean)
    .sort()
    .join(',');
}
