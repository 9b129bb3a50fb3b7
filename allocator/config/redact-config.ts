// The text of a network config document without its secrets, for output that others may read.

const SECRET_FIELD = /("(?:psk|accesskeysecret)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;

/** `text` with each preshared key, and the secret of a cloud, masked. */
export function redactConfig(text: string): string {
  return text.replaceAll(SECRET_FIELD, '$1"[redacted]"');
}
