// Finds objects that another program made other than desired. Pure.
import { eachInSlices } from '../../lib/slices.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import { isInSync } from './diff.ts';
import type { CachedView, View } from './view.ts';

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
  actual: CachedView,
  size: number,
  onDrift: (key: ObjectKey) => void,
): Promise<void> {
  if (cached === undefined) return;
  await eachInSlices([...desired.objects.keys()], size, (key) => {
    const want = desired.objects.get(key);
    if (want === undefined) return;
    if (!isInSync(want, actual.objects.get(key)) && isInSync(want, cached.objects.get(key))) onDrift(key);
  });
}
