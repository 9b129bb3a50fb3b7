// What this host's programs print for rules that were just applied. Versions word the same rule differently; taken as
// drift, that would be repaired for ever.
import { objectKey, type FirewallObject } from '../../../backends/kernel-state.ts';

interface Learned {
  readonly rules: string;
  readonly printed: string;
}

export class CanonicalRules {
  readonly #byKey = new Map<string, Learned>();

  /**
   * Learns that `printed` was read right after `object` was applied. Something that differs by more than words (in its
   * number of lines) was changed by somebody, and is not learned.
   */
  learn(object: FirewallObject, printed: string): void {
    const { rules } = object;
    if (printed === rules) this.#byKey.delete(objectKey(object));
    else if (countLines(printed) === countLines(rules))
      this.#byKey.set(objectKey(object), { rules, printed });
  }

  /** `read` in the words in which it was applied, if it is that. */
  translate(read: FirewallObject): FirewallObject {
    const learned = this.#byKey.get(objectKey(read));
    return learned?.printed === read.rules ? { ...read, rules: learned.rules } : read;
  }
}

function countLines(text: string): number {
  return text.split('\n').filter((line) => line.trim() !== '').length;
}
