// Follows a folder of weft's own keys for as long as it is wanted: again with back-off whenever that
// ends, and rarely where this user has no right to.
import { Backoff } from '../../lib/backoff.ts';
import { delay, type Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { RegistryError, type MetaKeys, type MetaListener } from './registry.ts';

export interface FolderFollowerOptions {
  readonly registry: Pick<MetaKeys, 'followMeta'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onChange: MetaListener;
  /** It ended, and begins again later. */
  readonly onEnd: (error: Error) => void;
}

const BACKOFF = { baseMs: 1000, capMs: 30_000 };
/** A user of etcd without rights on weft's keys gets them rarely. */
const DENIED_MS = 600_000;
const HEALTHY_MS = 10_000;

export class FolderFollower {
  readonly #options: FolderFollowerOptions;
  readonly #backoff: Backoff;
  readonly #loop: ControlLoop;
  readonly #stopped = new AbortController();
  #following: AbortController | undefined;
  #folder: string | undefined;
  #sinceMs = Infinity;
  /** In a row. */
  #denials = 0;

  constructor(options: FolderFollowerOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ ...BACKOFF, random: options.random });
    this.#loop = new ControlLoop({ clock: options.clock, step: () => this.#step() });
  }

  /** Keys of `folder`, and of no other, are reported from now on. */
  follow(folder: string): void {
    if (folder === this.#folder) return;
    this.#folder = folder;
    this.#following?.abort(new Error('Another folder is followed'));
    this.#loop.start();
  }

  /** Whether changes are reported: a registry that refuses does so sooner. */
  get isFollowing(): boolean {
    return this.#options.clock.nowMs() - this.#sinceMs >= HEALTHY_MS;
  }

  stop(): void {
    this.#stopped.abort(new Error('The daemon was stopped'));
    void this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { clock, onChange, onEnd, registry } = this.#options;
    const { signal } = this.#stopped;
    const following = new AbortController();
    this.#following = following;
    const either = AbortSignal.any([signal, following.signal]);
    this.#sinceMs = clock.nowMs();
    const error: unknown = await registry
      .followMeta(this.#folder ?? '', onChange, either)
      .catch((reason: unknown) => reason);
    const wasHealthy = this.isFollowing;
    this.#sinceMs = Infinity;
    if (signal.aborted) return false;
    if (wasHealthy || following.signal.aborted) this.#backoff.reset();
    if (following.signal.aborted) return true;
    onEnd(error as Error);
    const isDenied = error instanceof RegistryError && error.code === 'REGISTRY_DENIED';
    this.#denials = isDenied ? this.#denials + 1 : 0;
    // The first one may be of a token that etcd no longer knows.
    await delay(clock, this.#denials > 1 ? DENIED_MS : this.#backoff.nextMs(), either).catch(() => undefined);
    return !signal.aborted;
  }
}
