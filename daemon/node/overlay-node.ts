// Composition root of this node in the overlay: wires lease manager, overlay controller,
// reconciler, subnet file, checksum probes and host watcher, once config and interface are known.
//
//   registry ──► lease manager ──own lease, peers──► overlay controller ──► reconciler, subnet.env
//   config, host, probes ──► node state ──config, facts──► ▲                    │
//                                                          └──── settled ◄──────┘
import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import { addressIn, underlayAddresses } from '../../backends/underlay-addresses.ts';
import { readHost, type HostSnapshot } from '../host/host-facts.ts';
import { familiesOf } from '../host/interface-facts.ts';
import type { KernelNotification } from '../kernel/kernel.ts';
import type { ChecksumOffloadController } from '../overlay/checksum-offload-controller.ts';
import type { OverlayController } from '../overlay/overlay-controller.ts';
import type { WireguardMonitor } from '../overlay/wireguard-monitor.ts';
import type { MigrationStatus, NetworkStatus } from '../overlay/overlay-status.ts';
import type { PeerLiveness } from '../probe/liveness.ts';
import type { Liveness } from '../probe/liveness-state.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import type { ReconcilerEvent } from '../reconciler/events.ts';
import { checkPrerequisites } from '../host/prerequisites.ts';
import { admitConfig } from './config-admission.ts';
import type { ConfigRejection } from './config-watcher.ts';
import { HostWatcher } from './host-watcher.ts';
import {
  createLeaseManager,
  createLiveness,
  createOffloadController,
  createOverlay,
  createWireguardMonitor,
  readWireguardNames,
  type NodeSubnetFile,
  type OverlayNodeOptions,
} from './node-parts.ts';
import { NodeReports } from './node-reports.ts';
import {
  factsOf,
  datapathOf,
  identityOf,
  initialNodeState,
  next,
  type NodeEffect,
  type NodeEvent,
  type NodeState,
} from './node-state.ts';
import { StartGuard } from './start-guard.ts';

/**
 * Longest wait for a write or a change of a device at stop; the whole process has a second to end.
 */
const STOP_GRACE_MS = 300;

export class OverlayNode {
  readonly leaseManager: LeaseKeeper;
  readonly reconciler: Reconciler;
  readonly subnetFile: NodeSubnetFile;
  readonly offload: ChecksumOffloadController;
  readonly wireguard: WireguardMonitor;
  readonly liveness: PeerLiveness;
  readonly #options: OverlayNodeOptions;
  readonly #overlay: OverlayController;
  readonly #hostWatcher: HostWatcher;
  readonly #reports: NodeReports;
  readonly #startGuard = new StartGuard();
  #state: NodeState;
  #isStopped = false;
  #unsubscribe: () => void = () => undefined;

  constructor(options: OverlayNodeOptions) {
    const { clock, config, kernel, snapshot } = options;
    this.#options = options;
    this.#state = initialNodeState(config, snapshot, options.datapaths, options.extensionData);
    this.#reports = new NodeReports(options);
    this.reconciler = new Reconciler({
      kernel,
      clock,
      onChange: () => this.#onReconciled(),
      onEvent: (event) => this.#onReconcilerEvent(event),
      onSettled: () => this.#overlay.wake(),
    });
    this.subnetFile = options.subnetFile;
    this.offload = createOffloadController(options, {
      reconciler: this.reconciler,
      backend: () => this.#state.host.config.backend,
      onStatus: (family) => this.#onOffload(family),
    });
    this.wireguard = createWireguardMonitor(options, {
      reconciler: this.reconciler,
      isHurried: () => this.#overlay.awaitsHandshakes,
      onHandshake: () => this.#overlay.onHandshake(),
    });
    this.liveness = createLiveness(options, {
      reconciler: this.reconciler,
      backend: () => this.#state.host.config.backend.type,
      peers: () => this.leaseManager.peers,
      onChange: (key, liveness) => this.#onLiveness(key, liveness),
    });
    this.#overlay = createOverlay(options, this.#state, {
      reconciler: this.reconciler,
      handshakes: this.wireguard,
      onMigration: () => this.#onMigration(),
      subnetFile: this.subnetFile,
      publish: () => this.leaseManager.publish(),
    });
    this.leaseManager = createLeaseManager(options, this.#state, {
      overlay: this.#overlay,
      onEvent: (event) => this.#onLeaseEvent(event),
    });
    const onError = (error: Error): void => this.#reports.hostUnreadable(error);
    this.#hostWatcher = new HostWatcher({ clock, read: () => this.#readHost(), onError });
    if (this.missingIpv6 !== undefined) this.#reports.ipv6(this.missingIpv6);
    this.#reports.network(config, factsOf(this.#state));
  }

  start(): void {
    this.#options.kernel.subscribe(
      () => this.reconciler.ownership ?? this.#overlay.ownership(),
      (notification) => this.#onNotification(notification),
    );
    this.leaseManager.start();
    this.#unsubscribe = this.#options.registryCache.subscribe({
      onConnection: (isConnected) => isConnected && this.#overlay.markComplete(),
    });
    this.offload.start();
    this.wireguard.start();
    this.liveness.start();
    // Changes since the choice of the interface caused no notification.
    this.#hostWatcher.request();
  }

  // ---- read-only view ----

  /** The config in force. */
  get config(): NetworkConfig {
    return this.#state.host.clusterConfig;
  }

  /** Why this host has no IPv6 although the network has; `undefined` if it has. */
  get missingIpv6(): string | undefined {
    return this.#state.host.missingIpv6;
  }

  /** The interface in use, and the facts that kernel state is derived from. */
  get snapshot(): HostSnapshot {
    return { ...this.#state.snapshot, facts: factsOf(this.#state) };
  }

  get network(): NetworkStatus {
    return this.#overlay.status;
  }

  get migration(): MigrationStatus | undefined {
    return this.#overlay.migration;
  }

  /** Why nothing could be derived for this host; `undefined` if something was. */
  get error(): string | undefined {
    return this.#overlay.error;
  }

  /** Why peers refuse the subnet of this host; `undefined` if nothing is known against it. */
  get subnetClash(): string | undefined {
    const { ipv4, ipv6 } = this.leaseManager.own?.subnets ?? {};
    const needed = underlayAddresses(factsOf(this.#state));
    const isAssigned = this.#options.registry.allocation === 'assigned';
    const remedy = isAssigned
      ? 'choose a cluster CIDR apart from the addresses of the underlay'
      : 'restart the daemon to lease another one';
    for (const subnet of [ipv4, ipv6]) {
      const found = subnet && addressIn(subnet, needed);
      if (found !== undefined)
        return `the subnet ${subnet} of this host contains ${found.address}, ${found.role}: peers refuse it; ${remedy}`;
    }
    return this.#overlapClash();
  }

  /** Two hosts with one subnet: peers send its packets to one of them alone. */
  #overlapClash(): string | undefined {
    const { own, overlapping } = this.leaseManager;
    const [first] = [...overlapping].sort();
    if (own === undefined || first === undefined) return undefined;
    const more = overlapping.size > 1 ? ` and ${overlapping.size - 1} more` : '';
    const remedy =
      this.#options.registry.allocation === 'assigned'
        ? 'delete one of the Nodes, so that its kubelet registers it with another pod CIDR'
        : 'remove one of the keys';
    const subnets = [own.subnets.ipv4, own.subnets.ipv6].filter((one) => one !== undefined).join(' or ');
    return `the subnet ${subnets} of this host overlaps that of ${JSON.stringify(first)}${more}: peers send its packets to one of the hosts alone; ${remedy}`;
  }

  // ---- inputs ----

  /**
   * Applies a valid config. Resolves with the reason if this host cannot, and then changes nothing.
   */
  async applyConfig(config: NetworkConfig, revision: Revision): Promise<ConfigRejection | undefined> {
    const admission = await admitConfig(config, revision, {
      ...this.#options,
      interface: this.#options.options.interface,
      checkPrerequisites: this.#options.checkPrerequisites ?? checkPrerequisites,
      state: () => this.#state,
      own: () => this.leaseManager.own,
    });
    if (!admission.ok) return admission.rejection;
    if (this.#isStopped) return undefined;
    void this.#reports.forwardingChange(this.config, config);
    this.#dispatch(admission.event);
    // The host may have changed while the registry was read.
    this.#hostWatcher.request();
    return undefined;
  }

  /** Knows which peers have answered an earlier daemon of this host. Before {@link start}. */
  async adoptHandshakes(): Promise<void> {
    const { wireguard } = factsOf(this.#state);
    if (wireguard !== undefined) await this.wireguard.adopt(await readWireguardNames(this.#options.kernel));
  }

  /** Reads kernel and host again. */
  resync(): void {
    this.reconciler.resync('request');
    this.#hostWatcher.request();
  }

  /** Ends timers and calls; etcd, kernel and subnet.env stay as they are. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.leaseManager.stop();
    this.offload.stop();
    this.wireguard.stop();
    this.liveness.stop();
    this.#overlay.stop();
    this.#hostWatcher.stop();
    const stopped = Promise.all([this.subnetFile.stop(), this.reconciler.stop()]);
    await Promise.race([stopped, sleep(STOP_GRACE_MS)]);
  }

  #onNotification(notification: KernelNotification): void {
    this.reconciler.handleNotification(notification);
    if (notification.kind !== 'object') this.#hostWatcher.request();
  }

  async #readHost(): Promise<void> {
    const { kernel, options } = this.#options;
    const { host, snapshot } = this.#state;
    const families = familiesOf(host.clusterConfig);
    const result = await readHost(kernel, options.interface, families, snapshot.chosen);
    if (this.#isStopped) return;
    // Read for a config that is no longer in force.
    if (host.clusterConfig !== this.config) return this.#hostWatcher.request();
    this.#reports.hostRead(result);
    if (result.ok) this.#dispatch({ kind: 'host-read', snapshot: result.snapshot });
  }

  #onOffload(family: Family): void {
    this.#reports.offload(family, this.offload.statuses.get(family));
    this.#dispatch({ kind: 'offload-probed', badFamilies: this.offload.badFamilies });
  }

  #onLiveness(key: string, liveness: Liveness): void {
    this.#reports.liveness(key, liveness);
    this.#options.onChange();
  }

  #onLeaseEvent(event: LeaseEvent): void {
    this.#startGuard.noteLeaseEvent(event);
    this.#reports.leaseEvent(event);
  }

  /** Keys of former generations are no longer needed once one transport is left. */
  #onMigration(): void {
    const { backend } = this.#state.host.config;
    if (this.migration === undefined && backend.type === 'wireguard')
      this.#options.options.interface.wireguardKeys?.retire(new Set([backend.keyEpoch]));
    this.wireguard.wake();
    this.#options.onChange();
  }

  #onReconciled(): void {
    this.liveness.refresh();
    this.wireguard.wake();
    this.#options.onReconciled();
    const { state } = this.reconciler.summary().host;
    if (this.#startGuard.noteHostState(state)) this.#options.onFirstSync();
    this.#options.onChange();
  }

  #onReconcilerEvent(event: ReconcilerEvent): void {
    const failure = event.kind === 'link-failed' ? event : undefined;
    if (failure?.errno === 'EOPNOTSUPP' && this.#canFallBack) {
      this.#reports.userspaceFallback(this.#state.host.config.backend.type, failure.message);
      return this.#dispatch({ kind: 'datapath-missing' });
    }
    const isNeeded = (device: string): boolean => this.#overlay.needs(device);
    const message = this.#startGuard.fatalMessage(failure, this.#state, isNeeded);
    this.#reports.reconcilerEvent(event, { isLogged: message === undefined });
    if (message !== undefined) void this.#abort(message);
  }

  get #canFallBack(): boolean {
    return datapathOf(this.#state) === 'kernel-first' && this.#options.canUseUserspace;
  }

  // ---- effects ----

  #dispatch(event: NodeEvent): void {
    const { state, effects } = next(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    if (effects.some(({ kind }) => kind === 'set-config')) this.#options.onChange();
  }

  #perform(effect: NodeEffect): void {
    switch (effect.kind) {
      case 'reset-offload':
        return this.offload.forget();
      case 'reconnect-registry':
        return this.#options.registry.reconnect();
      case 'set-config':
        this.#reports.network(this.config, factsOf(this.#state));
        this.#overlay.setConfig(this.#state.host, factsOf(this.#state));
        return this.leaseManager.setConfig(this.#state.host.config);
      case 'set-facts':
        return void this.#overlay.setFacts(factsOf(this.#state));
      case 'set-identity':
        this.leaseManager.setIdentity(identityOf(this.#state.snapshot));
        this.leaseManager.setUnderlay(underlayAddresses(factsOf(this.#state)).map(({ address }) => address));
        return this.leaseManager.publish();
      case 'report-ipv6':
        return this.#reports.ipv6(this.missingIpv6);
      case 'report-identity':
        return this.#reports.identity(effect);
    }
  }

  async #abort(message: string): Promise<void> {
    const { onFatal, registry } = this.#options;
    const { leaseManager, subnetFile } = this;
    await this.#startGuard.abort({ leaseManager, subnetFile, registry });
    onFatal(message);
  }
}
