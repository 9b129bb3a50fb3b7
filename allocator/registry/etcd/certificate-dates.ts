// When certificates in PEM text end. A text may hold several: a chain with its own certificate first,
// or authorities of which any may count.
import { X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** End of the first certificate; `undefined` without any. */
export function firstEndOf(pem: Buffer): Date | undefined {
  return endsOf(pem)[0];
}

/** End of the certificate that is valid longest; `undefined` without any. */
export function lastEndOf(pem: Buffer): Date | undefined {
  return endsOf(pem).toSorted((a, b) => b.getTime() - a.getTime())[0];
}

function endsOf(pem: Buffer): readonly Date[] {
  const texts = pem.toString('latin1').match(CERTIFICATE) ?? [];
  return texts.flatMap((text) => {
    try {
      return [new Date(new X509Certificate(text).validTo)];
    } catch {
      return [];
    }
  });
}
