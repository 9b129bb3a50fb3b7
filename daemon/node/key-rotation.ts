// Makes a generation of keys of the age that the network config allows: the epoch of the document,
// and one more for each period of wall time since 1970. All hosts count alike, so that none has to
// say when; they change within the difference of their clocks, and the migration waits for the last.
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import type { ApplyConfig, ConfigRejection } from './config-watcher.ts';

/** Longest sleep: the wall clock may be set meanwhile. */
const LONGEST_SLEEP_MS = 3_600_000;

export interface KeyRotationOptions {
  readonly clock: Pick<Clock, 'setTimer'>;
  readonly apply: ApplyConfig;
  /** A config of another epoch cannot be applied; it is tried again. */
  readonly onRejected: (reason: string) => void;
  /** Wall time in ms since 1970; default `Date.now`. */
  readonly wallMs?: () => number;
}

/** `config` with the epoch that is due at `wallMs`. */
export function withDueEpoch(config: NetworkConfig, wallMs: number): NetworkConfig {
  const { backend } = config;
  if (backend.type !== 'wireguard' || backend.rotateAfterSec === 0) return config;
  const periods = Math.floor(wallMs / 1000 / backend.rotateAfterSec);
  return { ...config, backend: { ...backend, keyEpoch: backend.keyEpoch + periods } };
}

/** How long until {@link withDueEpoch} gives another epoch; `undefined` if it never does. */
export function untilNextEpochMs({ backend }: NetworkConfig, wallMs: number): number | undefined {
  if (backend.type !== 'wireguard' || backend.rotateAfterSec === 0) return undefined;
  const periodMs = backend.rotateAfterSec * 1000;
  return periodMs - (wallMs % periodMs);
}

export class KeyRotation {
  readonly #options: KeyRotationOptions;
  #cancel: () => void = () => undefined;
  #current: { readonly config: NetworkConfig; readonly revision: Revision } | undefined;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
  }

  /** Applies a config of the document with the epoch that is due, and later ones as they become due. */
  async apply(config: NetworkConfig, revision: Revision): Promise<ConfigRejection | undefined> {
    const { apply } = this.#options;
    const rejection = await apply(withDueEpoch(config, this.#wallMs()), revision);
    if (rejection === undefined) this.follow(config, revision);
    return rejection;
  }

  /** A config of the document is in force with the epoch that is due. */
  follow(config: NetworkConfig, revision: Revision): void {
    this.#current = { config, revision };
    this.#sleep();
  }

  stop(): void {
    this.#cancel();
  }

  #sleep(): void {
    this.#cancel();
    const waitMs = this.#current && untilNextEpochMs(this.#current.config, this.#wallMs());
    if (waitMs === undefined) return;
    // One more, as a timer may end early by a fraction.
    const sleepMs = Math.min(waitMs + 1, LONGEST_SLEEP_MS);
    this.#cancel = this.#options.clock.setTimer(sleepMs, () => void this.#rotate());
  }

  async #rotate(): Promise<void> {
    if (this.#current === undefined) return;
    const { config, revision } = this.#current;
    const rejection = await this.#options.apply(withDueEpoch(config, this.#wallMs()), revision);
    if (rejection !== undefined) this.#options.onRejected(rejection.reason);
    this.#sleep();
  }

  #wallMs(): number {
    return (this.#options.wallMs ?? Date.now)();
  }
}
