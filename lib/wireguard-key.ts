// WireGuard keys: Curve25519 key pairs (RFC 7748) and preshared keys as base64, and fingerprints of
// secrets. Pure but for the random bytes of a new key.
import { createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const BASE64_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
/** PKCS #8 of a Curve25519 private key without the key itself (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Digits of a fingerprint: 64 bits name a key among those of a cluster. */
const FINGERPRINT_DIGITS = 16;

/** The 32 bytes of a key in base64; `undefined` for any other text. */
export function parseWireguardKey(text: string): Buffer | undefined {
  return BASE64_KEY.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** A new private key, clamped as every program of WireGuard does (RFC 7748 §5). */
export function generateWireguardKey(random: (bytes: number) => Buffer = randomBytes): Buffer {
  const key = random(KEY_BYTES);
  key[0]! &= 248;
  key[31] = (key[31]! & 127) | 64;
  return key;
}

/** The public key of a private one, as base64. */
export function wireguardPublicKey(privateKey: Buffer): string {
  const der = Buffer.concat([PKCS8_PREFIX, privateKey]);
  const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return spki.subarray(spki.length - KEY_BYTES).toString('base64');
}

/** Names a secret without a hint at it. A key of 256 random bits cannot be found by trial. */
export function fingerprint(secret: Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, FINGERPRINT_DIGITS);
}
