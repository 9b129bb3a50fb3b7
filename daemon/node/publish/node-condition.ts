// Says to the control plane that the network of this node works, once it does: Kubernetes keeps pods
// off a node whose condition NetworkUnavailable is true. Tried again until it is written.
import type { AssigningRegistry } from '../../../allocator/registry/registry.ts';
import { Backoff } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { ControlLoop } from '../../../lib/control-loop.ts';
import type { LogRateLimit } from '../../log/log-rate-limit.ts';
import type { Logger } from '../../log/log.ts';

export interface NodeConditionDeps {
  readonly registry: Pick<AssigningRegistry, 'setReady'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

const BACKOFF = { baseMs: 1000, capMs: 60_000, random: Math.random };

export class NodeCondition {
  readonly #deps: NodeConditionDeps;
  readonly #loop: ControlLoop;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #stopped = new AbortController();
  /** What the node is to hear. */
  #wanted: { readonly reason: string } | undefined;
  /** The last one that was written. */
  #written: { readonly reason: string } | undefined;
  #retryAtMs = -Infinity;

  constructor(deps: NodeConditionDeps) {
    this.#deps = deps;
    this.#loop = new ControlLoop({
      clock: deps.clock,
      step: () => this.#step(),
      deadlinesMs: () => [this.#retryAtMs],
    });
    this.#loop.start();
  }

  /** The node is ready for pods; `reason` is the message of the condition. */
  setReady(reason: string): void {
    if (this.#wanted !== undefined) return;
    this.#wanted = { reason };
    this.#loop.wake();
  }

  /** The node is gone; one of the same name that is made again has to hear it again. */
  forget(): void {
    this.#wanted = undefined;
  }

  stop(): void {
    this.#stopped.abort(new Error('The daemon was stopped'));
    void this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { clock, limit, log, registry } = this.#deps;
    const wanted = this.#wanted;
    if (wanted === undefined || wanted === this.#written || clock.nowMs() < this.#retryAtMs) return false;
    try {
      await registry.setReady(true, wanted.reason, this.#stopped.signal);
      this.#written = wanted;
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#retryAtMs = clock.nowMs() + this.#backoff.nextMs();
      if (limit.take('node-condition') !== undefined)
        log.warn(
          `Cannot clear the condition NetworkUnavailable of this node, trying again: ${(error as Error).message}`,
        );
    }
    return false;
  }
}
