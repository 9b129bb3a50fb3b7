// The invalid keys of the registry as a count and a sample. Any writer of etcd can add keys without
// limit; documents that every client reads stay small.
import type { RegistryV1 } from '../../api/index.ts';

/** Keys of a sample. */
export const MAX_NAMED_KEYS = 20;
const MAX_TEXT_LENGTH = 256;

/** `entries` as part of the status document. */
export function badKeysOf(
  entries: ReadonlyMap<string, { readonly key: string; readonly reason: string }>,
): Pick<RegistryV1, 'badKeys' | 'badKeyCount'> {
  const badKeys: { key: string; reason: string }[] = [];
  for (const { key, reason } of entries.values()) {
    if (badKeys.length === MAX_NAMED_KEYS) break;
    badKeys.push({ key: clipText(key), reason: clipText(reason) });
  }
  return { badKeys, badKeyCount: entries.size };
}

/** `text`, or its beginning and its length. */
export function clipText(text: string): string {
  return text.length <= MAX_TEXT_LENGTH
    ? text
    : `${text.slice(0, MAX_TEXT_LENGTH)}… (${text.length} characters)`;
}
