// How this host's tools print rules that were just applied. Versions print the same rule
// differently, and a difference that counted as drift would be repaired forever.
import { objectKey, type FirewallObject } from '../../../backends/kernel-state.ts';

interface Printed {
  /** Rules as they were applied. */
  readonly applied: string;
  /** The same rules as the tool prints them. */
  readonly printed: string;
}

export class CanonicalRules {
  readonly #byKey = new Map<string, Printed>();

  /**
   * Records that `printed` was read right after `object` was applied. A text with another number of
   * lines is not recorded: another process changed the rules in between.
   */
  record(object: FirewallObject, printed: string): void {
    const { rules } = object;
    if (printed === rules) this.#byKey.delete(objectKey(object));
    else if (countLines(printed) === countLines(rules))
      this.#byKey.set(objectKey(object), { applied: rules, printed });
  }

  /** `object` with its rules as they were applied, if it has those; else `object`. */
  canonicalize(object: FirewallObject): FirewallObject {
    const known = this.#byKey.get(objectKey(object));
    return known?.printed === object.rules ? { ...object, rules: known.applied } : object;
  }
}

function countLines(text: string): number {
  return text.split('\n').filter((line) => line.trim() !== '').length;
}
