// The life of the daemon: the order in which parts start, what each waits for, and the end. Each
// step waits as long as it takes; health, log and status show for what.
//
//   control socket ──► registry ──► config ──► interface ──► overlay node ──► ready
import { release } from 'node:os';
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import type { LoadedNative } from '../../native/index.ts';
import { ConflistKeeper } from '../cni/conflist-keeper.ts';
import type { ServeCni } from '../control/server.ts';
import { EventPublisher } from '../events/event-publisher.ts';
import type { Handover } from '../handover/handover.ts';
import { withBpfSupport } from '../host/bpf-support.ts';
import { overrideUserspace } from '../host/datapath-mode.ts';
import { previousSubnets } from '../host/subnets-in-use.ts';
import { withEtcdAddresses } from '../host/etcd-addresses.ts';
import { WireguardKeyring } from '../kernel/wireguard/wireguard-keyring.ts';
import { WireguardKeys } from '../host/wireguard-keys.ts';
import type { InterfaceOptions } from '../host/interface-facts.ts';
import { readBootIdentity } from '../host/boot-identity.ts';
import { identityOf } from './node-state.ts';
import { detectForwarding, type ForwardingSetup } from '../host/forwarding-setup.ts';
import { resolveHost, UnsuitableHostError, type PreparedHost } from '../host/host-preparation.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import type { RootLogger } from '../log/log.ts';
import { createMetricsRenderer } from '../metrics/renderer.ts';
import type { DaemonOptions } from '../options/options.ts';
import { ChangeHook } from '../subnet-file/change-hook.ts';
import { readSubnetFile } from '../subnet-file/subnet-file.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { configChanges } from '../overlay/config-change.ts';
import { AdoptedDevices } from './adopted-devices.ts';
import { Components } from './components.ts';
import { Drain } from '../subnet-file/drain.ts';
import { ConfigWatcher } from './config-watcher.ts';
import { GcMode } from './gc-mode.ts';
import { KeyRotation, withDueEpoch } from './key-rotation.ts';
import { openKernel } from './kernel-setup.ts';
import { awaitNetworkConfig, type ConfigSource } from './network-config.ts';
import { OverlayNode } from './overlay-node.ts';
import { ProgressReporter } from './progress-reporter.ts';
import { openRegistry, readRegistry, type OpenRegistry } from './registry-setup.ts';
import { createSdNotify, type SdNotify } from './sd-notify.ts';
import { Servers } from './servers.ts';

/** For the answer to the request that ends the daemon. */
const ANSWER_MS = 200;

export interface DaemonDeps {
  readonly options: DaemonOptions;
  readonly log: RootLogger;
  readonly clock: Clock;
  /** Weft's addon; unset if it is missing. */
  readonly addon: LoadedNative;
  readonly handover: Handover;
  /** Answers weft-cni; the plugin is above the daemon. */
  readonly serveCni: ServeCni;
}

export class Daemon {
  readonly #deps: DaemonDeps;
  readonly #parts: Components;
  readonly #devices: AdoptedDevices;
  readonly #limit = createLogRateLimit();
  readonly #notify: SdNotify;
  readonly #publisher: EventPublisher;
  readonly #progress: ProgressReporter;
  readonly #gcMode = new GcMode();
  readonly #servers: Servers;
  readonly #stopping = new AbortController();
  /** Secrets of WireGuard, from key files and config to the kernel. */
  readonly #keyring = new WireguardKeyring();
  readonly #wireguardKeys: WireguardKeys;
  /** From the start: a drained host keeps it absent, whatever else the daemon waits for. */
  readonly #subnetFile: SubnetFileWriter;
  #boot = '';
  #interface: InterfaceOptions;
  #end: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(deps: DaemonDeps) {
    const { addon, clock, handover, log, options } = deps;
    const { native } = addon;
    const { onChange, subnetFile } = options;
    this.#deps = deps;
    this.#wireguardKeys = new WireguardKeys({
      file: options.wireguardKeyFile,
      keyring: this.#keyring,
      warn: (message) => log.warn(message),
    });
    const wireguardKeys = this.#wireguardKeys;
    this.#interface = withBpfSupport({ ...options.interface, wireguardKeys }, release());
    this.#devices = new AdoptedDevices(handover);
    this.#parts = new Components({
      options,
      log,
      clock,
      addon,
      startedMs: clock.nowMs(),
      packetPath: handover.packetPath,
      hook: onChange && new ChangeHook({ ...onChange, subnetFile, clock, log }),
    });
    const onPartChange = (): void => this.#progress.update();
    const onContent = (text: string): void => this.#onSubnetFile(text);
    const fileParts = { path: subnetFile, clock, log, onChange: onPartChange, onContent };
    this.#subnetFile = new SubnetFileWriter(fileParts);
    this.#parts.subnetFile = this.#subnetFile;
    this.#parts.drain = new Drain({
      subnetFile,
      file: this.#subnetFile,
      leaseManager: () => this.#parts.leaseManager,
      log,
      onChange: onPartChange,
      onReleased: () => setTimeout(() => void this.stop(), ANSWER_MS),
    });
    this.#parts.conflist =
      options.cniConflist &&
      new ConflistKeeper({ ...options.cniConflist, clock, log, onChange: onPartChange });
    this.#notify = createSdNotify({ log, sendDatagram: native?.sendDatagram.bind(native) });
    this.#publisher = new EventPublisher(this.#parts.events);
    const renderMetrics = createMetricsRenderer(this.#parts, native?.countNetlinkDrops.bind(native));
    this.#servers = new Servers(this.#parts, renderMetrics, deps.serveCni);
    this.#progress = new ProgressReporter({
      components: this.#parts,
      clock,
      notify: this.#notify,
      publisher: this.#publisher,
      gcMode: this.#gcMode,
      limit: this.#limit,
    });
  }

  /**
   * Runs until {@link stop} has finished what must not stay half-done.
   * @throws UnsuitableHostError, ControlSocketError, HttpListenerError or RegistryError if it
   * cannot run here.
   */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
      // A step that the stop aborts rejects, which is no failure.
      this.#start().catch((error: Error) => this.#stopping.signal.aborted || reject(error));
    });
  }

  /** Stops all parts. Kernel, etcd and subnet.env stay as they are. */
  async stop(): Promise<void> {
    const { configWatcher, conflist, hook, registryCache, node, packetPath } = this.#parts;
    this.#progress.stop();
    this.#stopping.abort(new Error('The daemon was stopped'));
    registryCache?.stop();
    configWatcher?.stop();
    const controlStopped = this.#servers.stopControl();
    const hookStopped = hook?.stop();
    await (node ?? this.#subnetFile).stop();
    await Promise.all([controlStopped, hookStopped, conflist?.stop()]);
    // The rest would end with the process as well.
    this.#end();
    this.#parts.registry?.close();
    this.#parts.kernel?.close();
    this.#devices.stop();
    await this.#servers.stopHttp();
    // Last, so that packets are forwarded as long as possible.
    packetPath?.closeAll();
  }

  #onSubnetFile(text: string): void {
    this.#parts.hook?.notify(text);
    // From now on the plugin finds a subnet, so runtimes may call it.
    this.#parts.conflist?.start();
  }

  /** Reads registry, kernel and host again. */
  resync(): void {
    const { configWatcher, registryCache, node } = this.#parts;
    const isRead = registryCache?.resync().then(
      () => configWatcher?.reconcile(),
      () => undefined,
    );
    node?.resync();
    void this.#progress.reload(isRead);
  }

  async #start(): Promise<void> {
    // First, so that a second daemon changes nothing.
    await this.#servers.startControl();
    // Runs programs, whose answer is needed only once the config is known.
    const router = detectForwarding(this.#deps.options);
    await this.#servers.startHttp();
    this.#notify.startWatchdog(() => true);
    await this.#parts.drain?.start();
    const open = await this.#openRegistry();
    if (this.#parts.drain?.state === 'released')
      this.#progress.setPhase('released: weft drain --undo puts this host into service');
    await this.#parts.drain?.untilAdmitted();
    for (;;) {
      const { config, document, revision } = await this.#awaitConfig(open.registryCache);
      const isStale = (): boolean => open.registryCache.config?.modRevision !== revision;
      const host = await this.#prepare(config, router, isStale);
      if (host === undefined) continue;
      await this.#join(host, open);
      return this.#watchConfig(open, document, revision);
    }
  }

  /** Resolves once the registry has been read. */
  async #openRegistry(): Promise<OpenRegistry> {
    const { clock, log, options } = this.#deps;
    this.#progress.setPhase('waiting for the registry');
    const { signal } = this.#stopping;
    const open = await openRegistry(options, { clock, log, limit: this.#limit, signal });
    const { registryCache } = open;
    this.#parts.registry = open.registry;
    this.#parts.registryCache = registryCache;
    registryCache.subscribe({ onChange: (change) => this.#publisher.leases(change, registryCache) });
    await readRegistry(registryCache, log, this.#limit);
    this.#gcMode.begin(registryCache.entries.size);
    this.#interface = await withEtcdAddresses(this.#interface, options.etcd.endpoints);
    return open;
  }

  async #awaitConfig(
    registryCache: RegistryCache,
  ): Promise<{ config: NetworkConfig; document: NetworkConfig; revision: Revision }> {
    this.#progress.setPhase('waiting for the network config');
    const source = this.#configSource(registryCache);
    const { config, revision } = await awaitNetworkConfig(source, this.#stopping.signal);
    const document = overrideUserspace(config, this.#deps.options);
    return { config: withDueEpoch(document, Date.now()), document, revision };
  }

  #configSource(registryCache: RegistryCache): ConfigSource {
    const { log, options } = this.#deps;
    const key = options.kubernetes?.configPath ?? `${options.etcd.prefix}/config`;
    const { registry } = this.#parts;
    const nearMisses =
      registry?.allocation === 'claimed'
        ? { nearMisses: () => registry.configNearMisses(this.#stopping.signal) }
        : {};
    return { registryCache, key, log, limit: this.#limit, ...nearMisses };
  }

  #prepare(
    config: NetworkConfig,
    router: Promise<ForwardingSetup>,
    isStale: () => boolean,
  ): Promise<PreparedHost | undefined> {
    const { addon, handover, log, options } = this.#deps;
    const { subnetFile } = options;
    const { native } = addon;
    const { descriptors: descriptorStore, packetPath } = handover;
    return resolveHost({
      config,
      router,
      hasInherited: !this.#devices.isEmpty,
      interface: this.#interface,
      openKernel: ({ firewall }, encapsulation) => {
        // Devices of the kernel take the place of those of the packet path.
        if (encapsulation !== 'userspace') this.#devices.closeUnclaimed();
        const secrets = { keyring: this.#keyring };
        const parts = { native, packetPath, descriptorStore, firewall, log, subnetFile, ...secrets };
        return (this.#parts.kernel ??= openKernel(parts));
      },
      onWaiting: (reason) =>
        this.#progress.setPhase(`waiting for an interface${reason === undefined ? '' : `: ${reason}`}`),
      isStale,
      log,
      limit: this.#limit,
      signal: this.#stopping.signal,
    });
  }

  async #join(host: PreparedHost, open: OpenRegistry): Promise<void> {
    const { addon, clock, log } = this.#deps;
    const options = { ...this.#deps.options, interface: this.#interface };
    const { native } = addon;
    const { hook, packetPath } = this.#parts;
    this.#progress.setPhase('acquiring a lease');
    const { subnets: written, networks, problems } = await readSubnetFile(options.subnetFile);
    for (const problem of problems) log.warn(problem);
    const subnets = await previousSubnets({
      written,
      identity: identityOf(host.snapshot),
      leases: open.registryCache.leases.values(),
      readInterfaces: () => host.kernel.readInterfaces(),
    });
    await hook?.start();
    this.#boot = await readBootIdentity();
    if (this.#stopping.signal.aborted) return;
    this.#parts.node = new OverlayNode({
      ...host,
      ...open,
      options,
      native,
      clock,
      subnetFile: this.#subnetFile,
      ...(subnets && { previousSubnets: subnets }),
      ...(networks && { formerNetworks: Object.values(networks) }),
      log,
      limit: this.#limit,
      events: this.#publisher,
      canUseUserspace: packetPath !== undefined,
      onChange: () => this.#progress.update(),
      onReconciled: () => this.#devices.startAll(),
      // Devices that are unclaimed by now belong to an earlier configuration.
      onFirstSync: () => this.#devices.closeUnclaimed(),
      onFatal: (message) => this.#fail(new UnsuitableHostError(message)),
    });
    await this.#parts.node.adoptHandshakes();
    if (this.#stopping.signal.aborted) return;
    this.#parts.node.start();
  }

  /** From now on configs are applied as they are written. */
  #watchConfig({ registryCache, registry }: OpenRegistry, config: NetworkConfig, revision: Revision): void {
    const { clock, log, options } = this.#deps;
    const { node } = this.#parts;
    if (node === undefined) return;
    this.#progress.publishTo(registry, this.#boot);
    const rotation = new KeyRotation({
      clock,
      apply: (due, rev) => node.applyConfig(due, rev),
      onRejected: (reason) =>
        log.error(`Cannot change the key of WireGuard, the present one stays: ${reason}`),
    });
    rotation.follow(config, revision);
    this.#stopping.signal.addEventListener('abort', () => rotation.stop());
    this.#parts.configWatcher = new ConfigWatcher({
      source: this.#configSource(registryCache),
      clock,
      revision,
      apply: (document, rev) => rotation.apply(overrideUserspace(document, options), rev),
      changesOf: (document) => configChanges(this.#parts.config, overrideUserspace(document, options)),
      onChange: () => this.#progress.update(),
    });
    this.#parts.configWatcher.start();
  }
}
