// Finds objects that another program made other than desired. Pure.
import { eachInSlices } from '../../lib/slices.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { CachedState } from './cache/cached-state.ts';
import { isInSync } from './diff.ts';
import type { View } from './view.ts';

/** Whether `key` is as desired; an unwanted object is so when it is absent. */
export function isAsDesired({ desired, cached }: Pick<View, 'desired' | 'cached'>, key: ObjectKey): boolean {
  const want = desired.objects.get(key);
  const have = cached?.objects.get(key);
  return want === undefined ? have === undefined : isInSync(want, have);
}

/**
 * Calls `onDrift` with keys that were as desired in the cached state and are not in `actual`, which replaces it. In slices of `size` keys: what
 * is desired may change meanwhile, and `actual` with the kernel.
 */
export async function findDrift(
  { desired, cached }: View,
  actual: CachedState,
  size: number,
  onDrift: (key: ObjectKey) => void,
): Promise<void> {
  await eachInSlices([...desired.objects.keys()], size, (key) => {
    const want = desired.objects.get(key);
    const have = actual.objects.get(key);
    if (want === undefined || want === have) return;
    if (!isInSync(want, have)) {
      if (isInSync(want, cached?.objects.get(key))) onDrift(key);
    } else if (isEntry(want)) actual.substitute(key, want);
  });
}

/** One object of each is enough, as after a step: there are tens of thousands. */
function isEntry({ kind }: KernelObject): boolean {
  return kind === 'route' || kind === 'neighbour' || kind === 'fdb';
}
