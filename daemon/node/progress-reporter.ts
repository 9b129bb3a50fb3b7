// Reports the state of the node wherever it is followed: service manager, log, events, and the
// registry for operators who change the config.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import type { AnyRegistry, Registry } from '../../allocator/registry/registry.ts';
import type { EventPublisher } from '../events/event-publisher.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Components } from './components.ts';
import type { GcMode } from './gc-mode.ts';
import { NodeCondition } from './publish/node-condition.ts';
import { NodeEvents } from './publish/node-events.ts';
import type { IpAddress } from '../../lib/address.ts';
import { logLeaseEvent } from '../log/lease-log.ts';
import { isAtRest, readinessOf, SETTLE_MS, statusLine } from './readiness.ts';
import type { SdNotify } from './sd-notify.ts';
import { nodeStatus, StatusPublisher } from './publish/status-publisher.ts';
import { RequestInbox, type AnswerRequest } from '../peer-requests/request-inbox.ts';

/** Of weft-daemon.cjs; unset where Node runs the program itself. */
declare const weftCodeCache: { save(): number } | undefined;

/** How long the service manager sees a reload at most. */
const RELOAD_LIMIT_MS = 5000;
/** The end of a start holds the event loop up; who waits for the start gets an answer before. */
const END_START_MS = 50;

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
  #inbox: RequestInbox | undefined;
  #condition: NodeCondition | undefined;
  #nodeEvents: NodeEvents | undefined;
  #boot: string | undefined;
  #hasBeenReady = false;
  #isStopped = false;
  #settleTimer: NodeJS.Timeout | undefined;

  constructor(deps: ProgressReporterDeps) {
    this.#deps = deps;
  }

  /**
   * Publishes the status of this node in `registry` from now on, and reports another host that does so
   * with the same public IP.
   */
  publishTo(registry: AnyRegistry, boot: string): void {
    const { clock, components, limit } = this.#deps;
    const { log, registryCache } = components;
    if (registry.allocation === 'assigned') {
      this.#condition = new NodeCondition({ registry, clock, log, limit });
      const isConnected = (): boolean => registryCache?.isConnected === true;
      const hub = components.events;
      this.#nodeEvents = new NodeEvents({ registry, hub, isConnected, clock, log, limit });
      return this.update();
    }
    this.#boot = boot;
    const touch = async (): Promise<void> => components.node?.leaseManager.touch();
    const publisher = new StatusPublisher({
      registry,
      clock,
      log,
      limit,
      conflicts: {
        boot,
        touch,
        onConflict: (nodeId, count) => this.#setConflict(nodeId, count),
        onResolved: (nodeId) => this.#setConflict(nodeId, 0),
      },
    });
    this.#statusPublisher = publisher;
    if (components.options.answersPeers) this.#inbox = this.#createInbox(registry);
    registryCache?.subscribe({
      onChange: ({ put }) => {
        if (components.node?.leaseManager.isOwnAmong(put) === true) publisher.checkConflict();
      },
    });
  }

  #createInbox(registry: Registry): RequestInbox {
    const { clock, components } = this.#deps;
    const { log } = components;
    const load = async (): Promise<AnswerRequest> => {
      const { answerRequest } = await import('../peer-requests/answer-request.ts');
      return (request, answer, signal) => answerRequest(components, request, answer, signal);
    };
    return new RequestInbox({ registry, clock, log, load, random: Math.random });
  }

  /** @param count - answers of another host with this host's public IP; 0 if there is none any more. */
  #setConflict(nodeId: string, count: number): void {
    const { components, limit, publisher } = this.#deps;
    const key = components.node?.leaseManager.own?.key;
    components.contestedPublicIp = count > 0 ? nodeId : undefined;
    if (key === undefined) return;
    if (count > 0) {
      const identity = nodeId as IpAddress;
      const event = { level: 'error', code: 'public-ip-contested', key, identity, count } as const;
      logLeaseEvent(components.log, limit, event);
      publisher.lease(event);
    } else
      components.log.info('No other host publishes the public IP of this host any more', {
        identity: nodeId,
      });
    this.update();
  }

  setPhase(phase: string): void {
    const { components, notify } = this.#deps;
    if (components.phase === phase) return;
    components.phase = phase;
    notify.status(phase);
    components.log.debug(`Now ${phase}`);
  }

  /** Something that readiness or status depend on changed. */
  update(): void {
    const { components, notify, publisher } = this.#deps;
    const { configWatcher, log } = components;
    const { readiness: parts } = components;
    if (parts.unsettledMs !== undefined && !isAtRest(parts)) this.#checkLater();
    const line = statusLine(parts);
    const readiness = readinessOf(parts);
    publisher.health(readiness);
    if (configWatcher) publisher.config(configWatcher.status);
    if (!this.#hasBeenReady && readiness.isReady) {
      this.#hasBeenReady = true;
      components.hasBeenReady = true;
      log.info('Ready', { status: line });
      notify.ready(line);
      setTimeout(() => this.#isStopped || this.#endStart(), END_START_MS).unref();
    } else notify.status(line);
    if (readiness.isReady) this.#condition?.setReady(`weft: ${line}`);
    else if (parts.leaseManager?.state === 'lost') this.#condition?.forget();
    this.#publishStatus();
  }

  /** Gives back what only a start needs, and keeps for the next start what that one can use. */
  #endStart(): void {
    const { components, gcMode } = this.#deps;
    gcMode.end();
    try {
      if (typeof weftCodeCache !== 'undefined' && weftCodeCache.save() > 0)
        components.log.debug('Kept compiled code for the next start');
    } catch (error) {
      components.log.debug('Cannot keep compiled code for the next start', { error });
    }
    components.addon.native?.releaseCode();
  }

  /** A change that does not end makes this host not ready, without another event. */
  #checkLater(): void {
    if (this.#settleTimer !== undefined) return;
    this.#settleTimer = setTimeout(() => {
      this.#settleTimer = undefined;
      if (!this.#isStopped) this.update();
    }, SETTLE_MS).unref();
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
    this.#inbox?.stop();
    this.#condition?.stop();
    this.#nodeEvents?.stop();
  }

  #publishStatus(): void {
    const { configWatcher, migration, node } = this.#deps.components;
    const own = node?.leaseManager.own;
    if (node === undefined || own === undefined || configWatcher === undefined) return;
    const { hostName, options, snapshot } = this.#deps.components;
    const status = nodeStatus(own.key, configWatcher.status, migration, {
      ...(this.#boot !== undefined && { boot: this.#boot }),
      name: hostName,
      answersPeers: options.answersPeers,
      ...(snapshot && { underlayMtu: snapshot.chosen.mtu }),
    });
    this.#statusPublisher?.publish(node.leaseManager.nodeId, status, own.leaseId);
    this.#inbox?.follow(node.leaseManager.nodeId);
  }
}
