// Versions of the CNI specification.

/** Versions that weft-cni supports, oldest first. */
export const CNI_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export const NEWEST_CNI_VERSION = '1.1.0';
/** Version of a config without cniVersion. */
export const UNNAMED_CNI_VERSION = '0.1.0';

/** Whether `version` is one of {@link CNI_VERSIONS}, and not older than `other`. */
export function isAtLeast(version: string, other: (typeof CNI_VERSIONS)[number]): boolean {
  return (CNI_VERSIONS as readonly string[]).indexOf(version) >= CNI_VERSIONS.indexOf(other);
}

/**
 * The newest version that a plugin supports, at most `atMost`. Versions before 0.3.0 have another
 * result format.
 * @param supported - the plugin's answer to VERSION.
 */
export function newestCommonVersion(supported: readonly string[], atMost: string): string | undefined {
  const candidates = CNI_VERSIONS.slice(CNI_VERSIONS.indexOf('0.3.0'));
  return candidates.findLast((version) => supported.includes(version) && isAtLeast(atMost, version));
}
