// Gives the registry cache what an earlier process knew, while this one has no answer to its first
// list. Nothing in it expires: only the registry says what changed.
import type { Clock } from '../../lib/clock.ts';
import type { RegistrySnapshot } from './registry.ts';

/** The registry as an earlier process knew it. */
export interface LastKnown extends RegistrySnapshot {
  /** ISO 8601, when the registry said so. */
  readonly savedAt: string;
}

export interface CacheRecallDeps {
  readonly clock: Clock;
  /** Must not reject; `undefined` if nothing is known. */
  readonly read: () => Promise<LastKnown | undefined>;
  readonly apply: (known: LastKnown) => void;
}

/** A registry that answers nothing for this long may as well be away. */
const SILENCE_MS = 5000;

export class CacheRecall {
  readonly #deps: CacheRecallDeps;
  #state: 'new' | 'waiting' | 'read' | 'ended' = 'new';
  #cancelTimer: (() => void) | undefined;

  constructor(deps: CacheRecallDeps) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'waiting';
    this.#cancelTimer = this.#deps.clock.setTimer(SILENCE_MS, () => void this.recall());
  }

  /** The first list failed. Reads at most once. */
  async recall(): Promise<void> {
    if (this.#state !== 'waiting') return;
    this.#cancelTimer?.();
    this.#state = 'read';
    const known = await this.#deps.read();
    // The registry may have answered meanwhile.
    if (known !== undefined && this.#isWaitedFor) this.#deps.apply(known);
  }

  /** The registry answered, or the cache is stopped. */
  end(): void {
    this.#state = 'ended';
    this.#cancelTimer?.();
  }

  get #isWaitedFor(): boolean {
    return this.#state === 'read';
  }
}
