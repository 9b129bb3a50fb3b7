// Masks secrets in log lines: by name of the field, by text, and in URLs.

const MASK = '[redacted]';
const SECRET_NAME = /passw|secret|token|credential|authorization|private_?key|\bpsk\b/i;
const URL_USER = /(\w:\/\/)[^/\s@"']+@/g;

/** A shorter secret would mask parts of ordinary text in every line. */
const MIN_SECRET_LENGTH = 4;

export interface Redactor {
  /** `text` without secrets. */
  readonly text: (text: string) => string;
  /** Whether the value of a field with this name is masked. */
  readonly isSecretName: (name: string) => boolean;
  readonly mask: string;
}

/** Makes a redactor that also masks the texts `secrets`. */
export function createRedactor(secrets: readonly string[]): Redactor {
  const known = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH);
  return {
    text: (text) => {
      let masked = text.includes('@') ? text.replaceAll(URL_USER, `$1${MASK}@`) : text;
      for (const secret of known) masked = masked.replaceAll(secret, MASK);
      return masked;
    },
    isSecretName: (name) => SECRET_NAME.test(name),
    mask: MASK,
  };
}
