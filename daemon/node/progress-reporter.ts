// Reports the state of the node wherever it is followed: service manager, log, events, and the
// registry for operators who change the config.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import type { Registry } from '../../allocator/registry/registry.ts';
import type { EventPublisher } from '../events/event-publisher.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Components } from './components.ts';
import type { GcMode } from './gc-mode.ts';
import { readinessOf, statusLine } from './readiness.ts';
import type { SdNotify } from './sd-notify.ts';
import { nodeStatus, StatusPublisher } from './status-publisher.ts';

/** How long the service manager sees a reload at most. */
const RELOAD_LIMIT_MS = 5000;

export interface ProgressReporterDeps {
  readonly components: Components;
  readonly clock: Clock;
  readonly notify: SdNotify;
  readonly publisher: EventPublisher;
  readonly gcMode: GcMode;
  readonly limit: LogRateLimit;
}

export class ProgressReporter {
  readonly #deps: ProgressReporterDeps;
  #statusPublisher: StatusPublisher | undefined;
  #hasBeenReady = false;
  #isStopped = false;

  constructor(deps: ProgressReporterDeps) {
    this.#deps = deps;
  }

  /** Publishes the status of this node in `registry` from now on. */
  publishTo(registry: Registry): void {
    const { clock, components, limit } = this.#deps;
    this.#statusPublisher = new StatusPublisher({ registry, clock, log: components.log, limit });
  }

  setPhase(phase: string): void {
    const { components, notify } = this.#deps;
    components.phase = phase;
    notify.status(phase);
    components.log.debug(`Now ${phase}`);
  }

  /** Something that readiness or status depend on changed. */
  update(): void {
    const { components, gcMode, notify, publisher } = this.#deps;
    const { configWatcher, log, readiness: parts } = components;
    const line = statusLine(parts);
    const readiness = readinessOf(parts);
    publisher.health(readiness);
    if (configWatcher) publisher.config(configWatcher.status);
    if (!this.#hasBeenReady && readiness.isReady) {
      this.#hasBeenReady = true;
      gcMode.end();
      log.info('Ready', { status: line });
      notify.ready(line);
    } else notify.status(line);
    this.#publishStatus();
  }

  /**
   * The service manager sees a reload until `done`, or for {@link RELOAD_LIMIT_MS} while the
   * registry is away.
   */
  async reload(done: Promise<void> | undefined): Promise<void> {
    const { components, notify } = this.#deps;
    const wasReady = this.#hasBeenReady;
    if (wasReady) notify.reloading();
    await Promise.race([done, sleep(RELOAD_LIMIT_MS, undefined, { ref: false })]);
    if (this.#hasBeenReady && !this.#isStopped) notify.ready(statusLine(components.readiness));
  }

  stop(): void {
    this.#isStopped = true;
    this.#deps.notify.stopping();
    this.#deps.notify.stop();
    this.#statusPublisher?.stop();
  }

  #publishStatus(): void {
    const { configWatcher, migration, node } = this.#deps.components;
    const own = node?.leaseManager.own;
    if (node === undefined || own === undefined || configWatcher === undefined) return;
    const status = nodeStatus(own.key, configWatcher.status, migration);
    this.#statusPublisher?.publish(node.leaseManager.nodeId, status, own.leaseId);
  }
}
