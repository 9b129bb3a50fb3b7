// The life of the daemon: what starts after what, what each waits for, and the end. Wiring only.
//
//   registry ──► config ──► interface ──► member of the cluster ──► ready      each waits as long as it takes, and
//                                                                             health, log and status say for what
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { createEtcdRegistry } from '../../allocator/registry/etcd/index.ts';
import type { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Registry, Revision } from '../../allocator/registry/registry.ts';
import { loadNative } from '../../native/index.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import { ChangeHook } from '../subnet-file/change-hook.ts';
import { ConfigWatcher } from './config-watcher.ts';
import { EventHub } from '../events/event-hub.ts';
import { EventPublisher } from '../events/event-publisher.ts';
import type { ControlledNode } from '../control/endpoint.ts';
import { startControlServer, type ControlServer } from '../control/server.ts';
import { ControlSocketError } from '../control/socket-file.ts';
import type { SystemdDescriptorStore } from '../handover/descriptor-store.ts';
import { overrideUserspace } from '../host/datapath-mode.ts';
import { hostReport, StatusPublisher } from './status-publisher.ts';
import { startHealthServer } from './health.ts';
import { GcMode } from './gc-mode.ts';
import type { HostSnapshot } from '../host/host-facts.ts';
import { resolveHost, UnsuitableHostError, type PreparedHost } from '../host/host-preparation.ts';
import type { HttpListener } from '../http/http-listener.ts';
import type { FirewallClientOptions } from '../kernel/firewall/firewall-client.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { openNetlinkKernel } from '../kernel/netlink-kernel.ts';
import type { RootLogger } from '../log/log.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { OverlayNode } from './overlay-node.ts';
import { createMetricsRenderer, type MetricsRenderer } from '../metrics/renderer.ts';
import { startMetricsServer } from '../metrics/server.ts';
import { awaitNetworkConfig } from './network-config.ts';
import type { NetworkStatus, MigrationStatus } from '../overlay/overlay-status.ts';
import type { OffloadView } from '../overlay/checksum-offload-controller.ts';
import type { DaemonOptions } from '../options/options.ts';
import { PacketPathLog } from '../log/packet-path-log.ts';
import { detectForwarding, type ForwardingSetup } from '../host/forwarding-setup.ts';
import { ProbeHistory } from '../probe/probe-history.ts';
import { readinessOf, statusLine, type ReadinessParts } from './readiness.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { Handover } from '../handover/handover.ts';
import { createSdNotify, type SdNotify } from './sd-notify.ts';
import { readSubnetFile } from '../subnet-file/subnet-file.ts';

/** How long systemd may be told that a reload is under way. */
const RELOAD_LIMIT_MS = 5000;

export class Daemon implements ControlledNode {
  readonly options: DaemonOptions;
  readonly log: RootLogger;
  readonly events = new EventHub();
  readonly probes = new ProbeHistory();
  readonly startedMs = systemClock.nowMs();
  readonly #limit = createLogRateLimit();
  readonly #notify: SdNotify;
  readonly #descriptors: SystemdDescriptorStore;
  /** Unset without the addon. */
  readonly packetPath: PacketPath | undefined;
  /** Unset without --on-change. */
  readonly hook: ChangeHook | undefined;
  readonly #stopping = new AbortController();
  #end: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  #phase = 'starting';
  #registry: Registry | undefined;
  #mirror: RegistryCache | undefined;
  #kernel: Kernel | undefined;
  #health: HttpListener | undefined;
  #metrics: HttpListener | undefined;
  #member: OverlayNode | undefined;
  readonly #sources = new EventPublisher(this.events);
  #follower: ConfigWatcher | undefined;
  #reporter: StatusPublisher | undefined;
  #control: ControlServer | undefined;
  #hasBeenReady = false;
  readonly #heap = new GcMode();
  readonly #renderMetrics: MetricsRenderer;

  constructor(options: DaemonOptions, log: RootLogger, { descriptors, packetPath }: Handover) {
    this.options = options;
    this.log = log;
    const { native } = loadNative();
    this.#notify = createSdNotify({ log, sendDatagram: native?.sendDatagram.bind(native) });
    this.#descriptors = descriptors;
    this.packetPath = packetPath;
    this.#renderMetrics = createMetricsRenderer(this, native?.countNetlinkDrops.bind(native));
    const { onChange, subnetFile } = options;
    this.hook = onChange && new ChangeHook({ ...onChange, subnetFile, clock: systemClock, log });
  }

  /** Runs until {@link stop} has finished what must not stay half-done. @throws UnsuitableHostError, ControlSocketError, HttpListenerError or RegistryError if it cannot run here. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
      // Whatever was under way when it was stopped fails, and that is no failure.
      this.#start().catch((error: Error) => this.#stopping.signal.aborted || reject(error));
    });
  }

  /** Ends everything but what is in kernel, etcd and subnet.env. */
  async stop(): Promise<void> {
    this.#notify.stopping();
    this.#notify.stop();
    this.#stopping.abort(new Error('The daemon was stopped'));
    this.#mirror?.stop();
    this.#follower?.stop();
    this.#reporter?.stop();
    const controlStopped = this.#control?.stop();
    const hookStopped = this.hook?.stop();
    await this.#member?.stop();
    await Promise.all([controlStopped, hookStopped]);
    // What remains would end with the process as well.
    this.#end();
    this.#registry?.close();
    this.#kernel?.close();
    this.#descriptors.stop();
    await this.#health?.stop();
    await this.#metrics?.stop();
    // Last, so that packets are forwarded as long as can be.
    this.packetPath?.closeAll();
  }

  /** Reads registry and kernel anew. */
  resync(): void {
    if (this.#hasBeenReady) this.#notify.reloading();
    const registryRead = this.#mirror?.resync().then(
      () => this.#follower?.look(),
      () => undefined,
    );
    this.#member?.resync();
    void this.#tellReloaded(registryRead);
  }

  /** While etcd is away the reload is over nevertheless: reading goes on behind it. */
  async #tellReloaded(registryRead: Promise<void> | undefined): Promise<void> {
    await Promise.race([registryRead, sleep(RELOAD_LIMIT_MS, undefined, { ref: false })]);
    if (this.#hasBeenReady && !this.#stopping.signal.aborted) this.#notify.ready(statusLine(this.readiness));
  }

  async #start(): Promise<void> {
    const { health, metrics } = this.options;
    // First of all, so that of two daemons the second changes nothing.
    await this.#startControl();
    // Programs that are asked by starting them; needed only once the config is known.
    const findingRouter = detectForwarding(this.options);
    const readiness = () => readinessOf(this.readiness);
    if (health.port !== 0) this.#health = await startHealthServer({ ...health, readiness });
    if (metrics.port !== 0)
      this.#metrics = await startMetricsServer(
        { ...metrics, log: this.log, render: this.#renderMetrics },
        this,
      );
    this.#notify.startWatchdog(() => true);
    const { mirror, registry } = this.#connect();
    await this.#awaitRegistry(mirror);
    for (;;) {
      const { config, revision } = await this.#awaitConfig(mirror);
      const isStale = () => mirror.config?.modRevision !== revision;
      const host = await this.#prepare(config, findingRouter, isStale);
      if (host === undefined) continue;
      await this.#join({ ...host, registry, mirror });
      return this.#follow(registry, mirror, revision);
    }
  }

  #prepare(
    config: NetworkConfig,
    router: Promise<ForwardingSetup>,
    isStale: () => boolean,
  ): Promise<PreparedHost | undefined> {
    return resolveHost({
      config,
      router,
      hasInherited: !this.#descriptors.isEmpty,
      interface: this.options.interface,
      openKernel: ({ firewall }, encapsulation) => {
        // Devices of the packet path that the kernel's would have to make room for, or that nothing needs any more.
        if (encapsulation !== 'userspace') this.#dropInherited();
        return (this.#kernel ??= this.#openKernel(firewall));
      },
      onWaiting: () => this.#enter('waiting for an interface'),
      isStale,
      log: this.log,
      limit: this.#limit,
      signal: this.#stopping.signal,
    });
  }

  async #startControl(): Promise<void> {
    const { path, isRequired } = this.options.controlSocket;
    if (path === '') return;
    try {
      this.#control = await startControlServer(path, this, this.#renderMetrics);
    } catch (error) {
      const isTolerable = error instanceof ControlSocketError && !error.isTaken && !isRequired;
      if (!isTolerable) throw error;
      this.log.warn(`${error.message}; going on without, so that "weft status" and the like cannot ask`);
    }
  }

  /** The kernel door, which looks at the packet path as often as it reads. */
  #openKernel(firewall: FirewallClientOptions): Kernel {
    const packetPath = this.packetPath;
    const kernel = openNetlinkKernel({
      native: loadNative().native,
      packetPath,
      descriptorStore: this.#descriptors,
      firewall,
    });
    if (packetPath === undefined) return kernel;
    const pathLog = new PacketPathLog(this.log);
    return {
      ...kernel,
      readState: async (ownership) => {
        const state = await kernel.readState(ownership);
        pathLog.update(packetPath);
        return state;
      },
    };
  }

  #connect(): { readonly registry: Registry; readonly mirror: RegistryCache } {
    this.#enter('waiting for the registry');
    const { auth, ...etcd } = this.options.etcd;
    const credentials = auth && { username: auth.username, password: auth.password.reveal() };
    const registry = createEtcdRegistry({ ...etcd, auth: credentials });
    const mirror = new RegistryCache({ registry, clock: systemClock, random: Math.random });
    this.#registry = registry;
    this.#mirror = mirror;
    return { registry, mirror };
  }

  async #awaitRegistry(mirror: RegistryCache): Promise<void> {
    const unsubscribe = mirror.subscribe({
      onConnection: (isConnected, error) => {
        if (!isConnected) this.#sayUnreachable(error);
      },
    });
    mirror.subscribe({ onChange: (change) => this.#sources.leases(change, mirror) });
    mirror.start();
    await mirror.ready;
    unsubscribe();
    this.#heap.begin(mirror.entries.size);
  }

  async #awaitConfig(mirror: RegistryCache): Promise<{ config: NetworkConfig; revision: Revision }> {
    this.#enter('waiting for the network config');
    const { config, revision } = await awaitNetworkConfig(this.#configSource(mirror), this.#stopping.signal);
    return { config: overrideUserspace(config, this.options.userspace), revision };
  }

  #configSource(mirror: RegistryCache) {
    return { mirror, key: `${this.options.etcd.prefix}/config`, log: this.log, limit: this.#limit };
  }

  #sayUnreachable(error?: Error): void {
    if (this.#limit.take('registry-unreachable') === undefined) return;
    this.log.error(`Registry unavailable, waiting for it: ${error?.message ?? 'no answer'}`);
  }

  /** From here on documents come into force as they are written. */
  #follow(registry: Registry, mirror: RegistryCache, revision: Revision): void {
    const member = this.#member;
    if (member === undefined) return;
    this.#reporter = new StatusPublisher({
      registry,
      clock: systemClock,
      log: this.log,
      limit: this.#limit,
    });
    this.#follower = new ConfigWatcher({
      source: this.#configSource(mirror),
      clock: systemClock,
      revision,
      apply: (config, rev) => member.applyConfig(overrideUserspace(config, this.options.userspace), rev),
      onChange: () => this.#onProgress(),
    });
    // It may be another one already.
    this.#follower.look();
  }

  async #join(parts: PreparedHost & { registry: Registry; mirror: RegistryCache }): Promise<void> {
    this.#enter('acquiring a lease');
    const { subnets, problems } = await readSubnetFile(this.options.subnetFile);
    for (const problem of problems) this.log.warn(problem);
    await this.hook?.start();
    if (this.#stopping.signal.aborted) return;
    this.#member = new OverlayNode({
      native: loadNative().native,
      clock: systemClock,
      ...parts,
      options: this.options,
      ...(subnets && { previousSubnets: subnets }),
      log: this.log,
      limit: this.#limit,
      events: this.#sources,
      canUseUserspace: this.packetPath !== undefined,
      onChange: () => this.#onProgress(),
      onReconciled: () => this.#startDevices(),
      onSubnetFile: (text) => this.hook?.notify(text),
      // What no device took by now belongs to an earlier configuration.
      onFirstSync: () => this.#dropInherited(),
      onFatal: (message) => this.#fail(new UnsuitableHostError(message)),
    });
    this.#member.start();
  }

  /** Gives up devices of an earlier process that nobody has taken. */
  #dropInherited(): void {
    for (const name of this.#descriptors.unclaimed) this.packetPath?.close(name);
    this.#descriptors.closeUnclaimed();
  }

  /** Devices that an earlier process left have their routes now, as far as there are any. */
  #startDevices(): void {
    for (const { name } of this.packetPath?.devices() ?? [])
      if (this.packetPath?.start(name) === true)
        this.#descriptors.store(name, this.packetPath.descriptors(name));
  }

  // ---- what the control socket sees -------------------------------------------------------------------------------

  get registry(): Registry | undefined {
    return this.#registry;
  }

  get mirror(): RegistryCache | undefined {
    return this.#mirror;
  }

  get config(): NetworkConfig | undefined {
    return this.#member?.config;
  }

  get network(): NetworkStatus | undefined {
    return this.#member?.network;
  }

  get migration(): MigrationStatus | undefined {
    return this.#member?.migration;
  }

  get reading(): HostSnapshot | undefined {
    return this.#member?.reading;
  }

  get keeper(): LeaseManager | undefined {
    return this.#member?.keeper;
  }

  get reconciler(): Reconciler | undefined {
    return this.#member?.reconciler;
  }

  get offload(): OffloadView | undefined {
    return this.#member?.offload;
  }

  get kernel(): Kernel | undefined {
    return this.#kernel;
  }

  get readiness(): ReadinessParts {
    const { keeper, reconciler, subnetFile } = this.#member ?? {};
    return {
      phase: this.#phase,
      problem: this.#member?.error,
      missingIpv6: this.#member?.missingIpv6,
      ...(keeper && { keeper }),
      ...(reconciler && { reconciler }),
      ...(subnetFile && { subnetFile }),
      ...(this.#mirror && { mirror: this.#mirror }),
      ...(this.#follower && { config: this.#follower.status }),
    };
  }

  #enter(phase: string): void {
    this.#phase = phase;
    this.#notify.status(phase);
    this.log.debug(`Now ${phase}`);
  }

  #onProgress(): void {
    const line = statusLine(this.readiness);
    const readiness = readinessOf(this.readiness);
    this.#sources.health(readiness);
    if (this.#follower) this.#sources.config(this.#follower.status);
    if (!this.#hasBeenReady && readiness.isReady) {
      this.#hasBeenReady = true;
      this.#heap.end();
      this.log.info('Ready', { status: line });
      this.#notify.ready(line);
    } else this.#notify.status(line);
    this.#report();
  }

  /** Operators who change the config see through the registry who has followed. */
  #report(): void {
    const own = this.#member?.keeper.own;
    if (own === undefined || this.#follower === undefined) return;
    const report = hostReport(own.key, this.#follower.status, this.#member?.migration);
    this.#reporter?.tell(this.#member!.keeper.nodeId, report, own.leaseId);
  }
}
