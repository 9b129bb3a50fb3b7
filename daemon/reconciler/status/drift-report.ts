// Drift since the last report, and how long its repair takes: a thousand objects are one event.
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import { isAsDesired } from '../drift-detector.ts';
import type { ReconcilerEvent } from '../events.ts';
import type { View } from '../view.ts';

/** Objects that one event names; there may be thousands. */
const NAMED_OBJECTS = 5;

export class DriftReport {
  #detected: ObjectKey[] = [];
  /** Objects under repair, with the time of detection. */
  readonly #underRepair = new Map<ObjectKey, number>();
  readonly #repaired = new Map<ObjectKey, number>();

  add(key: ObjectKey, nowMs: number): void {
    this.#detected.push(key);
    if (!this.#underRepair.has(key)) this.#underRepair.set(key, nowMs);
  }

  /** Checks which of `keys`, default all, are repaired. */
  check(view: View, keys: Iterable<ObjectKey> = [...this.#underRepair.keys()]): void {
    if (this.#underRepair.size === 0) return;
    for (const key of keys) {
      const sinceMs = this.#underRepair.get(key);
      if (sinceMs === undefined || !isAsDesired(view, key)) continue;
      this.#underRepair.delete(key);
      this.#repaired.set(key, sinceMs);
    }
  }

  /** Takes the events of what was detected and repaired since the last call. */
  take(nowMs: number): readonly ReconcilerEvent[] {
    const events: ReconcilerEvent[] = [];
    if (this.#detected.length > 0) events.push({ kind: 'drift-detected', ...firstOf(this.#detected) });
    this.#detected = [];
    if (this.#repaired.size > 0) {
      const firstMs = [...this.#repaired.values()].reduce((a, b) => Math.min(a, b));
      const ms = Math.round(nowMs - firstMs);
      events.push({ kind: 'drift-repaired', ...firstOf([...this.#repaired.keys()]), ms });
      this.#repaired.clear();
    }
    return events;
  }
}

/** The number of `keys`, and the first few by name, devices before all that goes with them. */
export function firstOf(keys: readonly ObjectKey[]): {
  readonly count: number;
  readonly objects: readonly ObjectKey[];
} {
  const links = keys.filter((key) => key.startsWith('link '));
  const others = keys.filter((key) => !key.startsWith('link ')).slice(0, NAMED_OBJECTS);
  return { count: keys.length, objects: [...links, ...others].slice(0, NAMED_OBJECTS) };
}
