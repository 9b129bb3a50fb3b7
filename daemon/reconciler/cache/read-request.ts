// What a full read has to cover beside the tables. Pure.
import type { Ownership } from '../../../backends/backend.ts';
import { isSetting, objectKey } from '../../../backends/kernel-state.ts';
import type { SettingObject } from '../../../backends/kernel-state.ts';
import { HOST } from '../desired-state.ts';
import type { CachedView, DesiredView, View } from '../view.ts';

export interface ReadRequest {
  readonly ownership: Ownership;
  /** Settings to read beside the tables, which do not hold them. */
  readonly settings: readonly SettingObject[];
  /** Settings to take as set if they cannot be read. */
  readonly assumed: readonly SettingObject[];
}

/** What the kernel rejected so far. */
export interface Rejections {
  readonly isRejected: (setting: SettingObject) => boolean;
  readonly isReadOnly: (setting: SettingObject) => boolean;
}

/** A setting that cannot be written is not read: a difference would be repaired without end. */
export function readRequestOf(
  ownership: Ownership,
  { desired, cached }: View,
  { isRejected, isReadOnly }: Rejections,
): ReadRequest {
  const wanted = wantedSettings(desired);
  return {
    ownership,
    settings: [...wanted.filter((setting) => !isReadOnly(setting)), ...obsoleteFeatures(desired, cached)],
    assumed: wanted.filter(isRejected),
  };
}

/** Settings of this host; peers have none. */
export function wantedSettings(desired: DesiredView): readonly SettingObject[] {
  return [...desired.objectsOf(HOST).values()].filter(isSetting);
}

/** Features that no owner wants any more and that are still set: no table holds them. */
function obsoleteFeatures(desired: DesiredView, cached: CachedView | undefined): readonly SettingObject[] {
  const obsolete: SettingObject[] = [];
  // Among tens of thousands of entries.
  for (const object of cached?.objects.values() ?? [])
    if (object.kind === 'feature' && !desired.objects.has(objectKey(object))) obsolete.push(object);
  return obsolete;
}
