// Finds objects that another program made other than desired. Pure.
import type { ObjectKey } from '../../backends/kernel-state.ts';
import { isInSync } from './diff.ts';
import type { CachedView, View } from './view.ts';

/** Whether `key` is as desired; an unwanted object is so when it is absent. */
export function isAsDesired({ desired, cached }: Pick<View, 'desired' | 'cached'>, key: ObjectKey): boolean {
  const want = desired.objects.get(key);
  const have = cached?.objects.get(key);
  return want === undefined ? have === undefined : isInSync(want, have);
}

/** Keys that were as desired in the cached state and are not in `actual`, which replaces it. */
export function findDrift({ desired, cached }: View, actual: CachedView): readonly ObjectKey[] {
  if (cached === undefined) return [];
  const keys: ObjectKey[] = [];
  for (const [key, want] of desired.objects)
    if (!isInSync(want, actual.objects.get(key)) && isInSync(want, cached.objects.get(key))) keys.push(key);
  return keys;
}
