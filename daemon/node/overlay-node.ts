// This host as a member of the cluster: lease keeper, reconciler, subnet file and facts about the host, joined once
// config and interface are known. It passes on what each tells the others and starts and stops them together.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { NodeIdentity } from '../../allocator/lease/node-identity.ts';
import { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { RENUMBER_KEY, type Registry, type Revision } from '../../allocator/registry/registry.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import { chooseEncapsulation, type Encapsulation, withEncapsulation } from '../host/datapath-mode.ts';
import type { HostFacts } from '../../backends/backend.ts';
import { configForHost, type HostConfig } from '../host/family-choice.ts';
import { readHost, type HostSnapshot } from '../host/host-facts.ts';
import type { ConfigRejection } from './config-watcher.ts';
import { familiesOf } from '../host/interface-facts.ts';
import { logLeaseEvent } from '../log/lease-log.ts';
import type { EventPublisher } from '../events/event-publisher.ts';
import type { Kernel, KernelNotification } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import { OverlayController } from '../overlay/overlay-controller.ts';
import type { MigrationStatus, NetworkStatus } from '../overlay/overlay-status.ts';
import type { DaemonOptions } from '../options/options.ts';
import { ChecksumOffloadController } from '../overlay/checksum-offload-controller.ts';
import { checkHostPrerequisites, remedyForLink, unsuitableHost } from '../host/prerequisites.ts';
import { doubtsAbout, policyFor, type ForwardingSetup } from '../host/forwarding-setup.ts';
import { logReconcilerEvent } from '../log/reconciler-log.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import type { ReconcilerEvent } from '../reconciler/events.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';

export interface OverlayNodeOptions {
  readonly options: DaemonOptions;
  readonly config: NetworkConfig;
  readonly encapsulation: Encapsulation;
  /** Whether the packet path can stand in for a kernel without VXLAN. */
  readonly canUseUserspace: boolean;
  readonly router: ForwardingSetup;
  readonly registry: Registry;
  /** Started, and read at least once. */
  readonly mirror: RegistryCache;
  readonly kernel: Kernel;
  readonly reading: HostSnapshot;
  /** Subnets of an earlier run. */
  readonly previousSubnets?: LeaseSubnets;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  /** Is told what happens. */
  readonly events: Pick<EventPublisher, 'lease' | 'reconciler' | 'offload'>;
  /** Something that readiness or status depend on changed. */
  readonly onChange: () => void;
  /** The reconciler has done for now what it could. */
  readonly onReconciled: () => void;
  /** subnet.env has this content now. */
  readonly onSubnetFile: (text: string) => void;
  /** This host's own objects are in the kernel for the first time. */
  readonly onFirstSync: () => void;
  /** This kernel can never carry the backend. `message` has the remedy. Called at most once, before anything works. */
  readonly onFatal: (message: string) => void;
}

/** Notices come in bursts; facts about the host are read once a burst. */
const FACTS_DELAY_MS = 5;
/** After the kernel would not tell them. */
const FACTS_RETRY_MS = 1000;
/** Longest wait for a write or a change of a device at stop; the whole process has a second to end. */
const STOP_GRACE_MS = 300;

export class OverlayNode {
  readonly keeper: LeaseManager;
  readonly reconciler: Reconciler;
  readonly subnetFile: SubnetFileWriter;
  readonly offload: ChecksumOffloadController;
  readonly #options: OverlayNodeOptions;
  readonly #network: OverlayController;
  #host: HostConfig;
  #reading: HostSnapshot;
  #isReadingFacts = false;
  #isFactsDue = false;
  #isStopped = false;
  #encapsulation: Encapsulation;
  #hasWorked = false;
  #createdLease = false;

  constructor(options: OverlayNodeOptions) {
    const { config, kernel, log, onChange, reading } = options;
    this.#options = options;
    this.#host = configForHost(config, reading.facts, reading.lack);
    this.#reading = reading;
    this.#encapsulation = options.encapsulation;
    const clock = systemClock;
    const onEvent = (event: ReconcilerEvent): void => this.#onReconcilerEvent(event);
    this.reconciler = new Reconciler({
      kernel,
      clock,
      onChange: () => this.#onReconciled(),
      onEvent,
      onSettled: () => this.#network.wake(),
    });
    this.subnetFile = new SubnetFileWriter({
      path: options.options.subnetFile,
      clock,
      log,
      onChange,
      onContent: options.onSubnetFile,
    });
    this.offload = new ChecksumOffloadController({
      clock,
      log,
      intervalMs: options.options.probeIntervalSec * 1000,
      backend: () => this.#host.config.backend,
      reconciler: this.reconciler,
      kernel,
      onVerdict: (family) => this.#onOffload(family),
    });
    this.#network = new OverlayController({
      host: this.#host,
      facts: this.#complete(reading.facts),
      reconciler: this.reconciler,
      subnetFile: this.subnetFile,
      policyFor: (each) => policyFor(options.router, each),
      isBlackholing: options.options.ipBlackholeRoute,
      migrationTimeoutMs: options.options.migrationTimeoutSec * 1000,
      publish: () => this.keeper.publish(),
      onMigration: onChange,
      clock,
      log,
    });
    this.keeper = this.#makeKeeper();
    this.#tellLack();
  }

  start(): void {
    const { kernel } = this.#options;
    kernel.subscribe(
      () => this.reconciler.ownership ?? this.#network.ownership(),
      (notice) => this.#onNotice(notice),
    );
    this.keeper.start();
    this.offload.start();
    // Nobody told what changed since the interface was chosen.
    void this.#readFacts();
  }

  /** The one in force. */
  get config(): NetworkConfig {
    return this.#host.document;
  }

  /** Why this host has no IPv6 though the network has; `undefined` if it has what the network has. */
  get lack(): string | undefined {
    return this.#host.lack;
  }

  /** The interface in use, and what it was derived from. */
  get reading(): HostSnapshot {
    return { ...this.#reading, facts: this.#complete(this.#reading.facts) };
  }

  /** Facts about the host with what was decided and found out about it. */
  #complete(facts: HostFacts, encapsulation = this.#encapsulation): HostFacts {
    const { badFamilies } = this.offload;
    const known = badFamilies.length === 0 ? facts : { ...facts, badOffloadFamilies: badFamilies };
    return withEncapsulation(known, encapsulation);
  }

  /** What this host takes part in. */
  get network(): NetworkStatus {
    return this.#network.status;
  }

  /** What is left of a change of the way to this host; `undefined` if nothing. */
  get migration(): MigrationStatus | undefined {
    return this.#network.migration;
  }

  /** Why nothing could be derived for this host; `undefined` if all is well. */
  get problem(): string | undefined {
    return this.#network.error;
  }

  /** Makes `config`, which is valid, the one in force; resolves with the reason if this host cannot, and then nothing changed. */
  async applyConfig(config: NetworkConfig, revision: Revision): Promise<ConfigRejection | undefined> {
    const { kernel, options } = this.#options;
    const encapsulation = this.#encapsulationFor(config);
    const missing = await checkHostPrerequisites(config, encapsulation);
    if (missing !== undefined) return { reason: missing, isRetryable: true };
    const result = await readHost(kernel, options.interface, familiesOf(config), this.#reading.chosen);
    if (!result.ok) return { reason: result.message, isRetryable: true };
    const facts = this.#complete(result.reading.facts, encapsulation);
    const host = configForHost(config, facts, result.reading.lack);
    const unsuitable = unsuitableHost(host.config, facts);
    if (unsuitable !== undefined) return { reason: unsuitable, isRetryable: true };
    const router = this.#options.router.choose(config);
    if (!router.ok) return { reason: router.message, isRetryable: true };
    const renumbering = await this.#refuseRenumbering(host.config, revision);
    if (renumbering !== undefined || this.#isStopped) return renumbering;
    this.#reading = result.reading;
    this.#encapsulation = encapsulation;
    void this.#tellDoubts(this.#host.document, config);
    this.#setHost(host);
    // The registry was asked meanwhile; what the host is may have changed.
    void this.#readFacts();
    return undefined;
  }

  /** Another config, or another part of it, is in force on this host. */
  #setHost(host: HostConfig): void {
    const before = this.#host;
    this.#host = host;
    if (isOtherTrial(before, host)) this.offload.forget();
    this.#network.setConfig(host, this.reading.facts);
    this.keeper.setConfig(host.config);
    // Where IPv4 comes or goes, this host is known by its address of another family.
    this.keeper.setIdentity(identityOf(this.#reading));
    this.keeper.publish();
    this.#tellLack(before);
    this.#options.onChange();
  }

  /** Those that the config of before gave no reason for. */
  async #tellDoubts(before: NetworkConfig, config: NetworkConfig): Promise<void> {
    const { kernel, log, router } = this.#options;
    const known = await doubtsAbout(router, kernel, before);
    for (const doubt of await doubtsAbout(router, kernel, config))
      if (!known.includes(doubt)) log.warn(doubt);
  }

  #tellLack(before?: HostConfig): void {
    const { log } = this.#options;
    const { lack } = this.#host;
    if (lack === before?.lack) return;
    if (lack !== undefined)
      log.warn(`No IPv6 on this host, IPv4 works without it: ${lack}; IPv6 comes once that is mended`);
    else log.info('IPv6 is there: this host takes part with both families');
  }

  /** How VXLAN is done from now on. A kernel that had none will have none now, and what is no VXLAN says nothing about it. */
  #encapsulationFor({ backend }: NetworkConfig): Encapsulation {
    if (backend.type !== 'vxlan') return this.#encapsulation;
    const wasVxlan = this.#host.config.backend.type === 'vxlan';
    return chooseEncapsulation(backend, wasVxlan && this.#encapsulation === 'userspace');
  }

  /** Whoever writes a document may not have meant to move every container: another subnet must be asked for. */
  async #refuseRenumbering(config: NetworkConfig, revision: Revision): Promise<ConfigRejection | undefined> {
    const { own } = this.keeper;
    if (own === undefined || !new SubnetPool(config).renumbers(own.subnets)) return undefined;
    const confirmation = await this.#options.registry.readMeta(RENUMBER_KEY).catch(() => undefined);
    if (confirmation !== undefined && confirmation.modRevision >= revision) return undefined;
    const subnets = [own.subnets.ipv4, own.subnets.ipv6].filter(Boolean).join(' and ');
    const reason =
      `it has no room for ${subnets} of this host, which would get another subnet, and its containers other addresses: ` +
      `confirm that with "weft config set --renumber", or restart the daemon of each host`;
    return { reason, isRetryable: true };
  }

  /** Reads kernel and facts anew. */
  resync(): void {
    this.reconciler.resync('request');
    void this.#readFacts();
  }

  /** Ends timers and calls; etcd, kernel and subnet.env stay as they are. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.keeper.stop();
    this.offload.stop();
    this.#network.stop();
    const stopped = Promise.all([this.subnetFile.stop(), this.reconciler.stop()]);
    await Promise.race([stopped, sleep(STOP_GRACE_MS)]);
  }

  #makeKeeper(): LeaseManager {
    const { mirror, onChange, options, previousSubnets, reading, registry } = this.#options;
    const keeper: LeaseManager = new LeaseManager({
      registry,
      cache: mirror,
      clock: systemClock,
      random: Math.random,
      ...identityOf(reading),
      config: this.#host.config,
      ...(previousSubnets && { previousSubnets }),
      ttlSec: options.subnetLeaseTtlSec,
      renewMarginSec: renewMarginSec(options),
      attributes: (published) => this.#network.attributes(published),
      listener: {
        onOwnLease: (own, change) => this.#network.setOwnLease(own, change),
        onPeers: (changedKeys) => this.#network.setPeers(changedKeys, keeper.peers),
        onState: onChange,
        onEvent: (event) => this.#onKeeperEvent(event),
      },
    });
    return keeper;
  }

  #onKeeperEvent(event: LeaseEvent): void {
    if (event.code === 'lease-created') this.#createdLease = true;
    logLeaseEvent(this.#options.log, this.#options.limit, event);
    this.#options.events.lease(event);
  }

  #onReconciled(): void {
    this.#options.onReconciled();
    if (!this.#hasWorked && this.reconciler.summary().host.state === 'in-sync') {
      this.#hasWorked = true;
      this.#options.onFirstSync();
    }
    this.#options.onChange();
  }

  #onReconcilerEvent(event: ReconcilerEvent): void {
    const { events, log, limit } = this.#options;
    const failed = event.kind === 'link-failed' ? event : undefined;
    if (failed?.errno === 'EOPNOTSUPP' && this.#canFallBack()) return this.#moveToUserspace();
    const isFatal = failed !== undefined && !this.#hasWorked && this.#network.needs(failed.device);
    const link = { name: failed?.device ?? '', isTun: this.#encapsulation === 'userspace' };
    const remedy = isFatal ? remedyForLink(failed.errno, this.#host.config.backend, link) : undefined;
    events.reconciler(event);
    if (failed === undefined || remedy === undefined) logReconcilerEvent(log, limit, event);
    else void this.#giveUp(`Cannot make ${failed.device}: ${failed.message}: ${remedy}`);
  }

  #canFallBack(): boolean {
    return this.#encapsulation === 'kernel-first' && this.#options.canUseUserspace;
  }

  #moveToUserspace(): void {
    this.#encapsulation = 'userspace';
    this.#options.log.warn('This kernel has no VXLAN: encapsulating in userspace instead');
    this.#network.setFacts(this.#complete(this.#reading.facts));
  }

  #onOffload(family: Family): void {
    const verdict = this.offload.verdicts.get(family);
    if (verdict !== undefined) this.#options.events.offload(family, verdict);
    this.#network.setFacts(this.#complete(this.#reading.facts));
  }

  /** Leaves nothing half-done: the subnet file and the lease that this run made are taken back. */
  async #giveUp(message: string): Promise<void> {
    const { own } = this.keeper;
    this.keeper.stop();
    await this.subnetFile.withdraw();
    if (own && this.#createdLease) await this.#options.registry.revoke(own.leaseId).catch(() => undefined);
    this.#options.onFatal(message);
  }

  #onNotice(notice: KernelNotification): void {
    this.reconciler.handleNotification(notice);
    if (notice.kind !== 'object') void this.#readFacts();
  }

  /** Facts about the host may be others now: reads them, once for all notices of a burst. */
  async #readFacts(): Promise<void> {
    this.#isFactsDue = true;
    if (this.#isReadingFacts) return;
    this.#isReadingFacts = true;
    while (this.#isFactsDue && !this.#isStopped) {
      await sleep(FACTS_DELAY_MS);
      this.#isFactsDue = false;
      await this.#readFactsOnce().catch((error: Error) => {
        if (!this.#isStopped) this.#onFactsUnread(error);
        return sleep(FACTS_RETRY_MS);
      });
    }
    this.#isReadingFacts = false;
  }

  #onFactsUnread({ message }: Error): void {
    this.#isFactsDue = true;
    if (this.#options.limit.take('facts-unread') !== undefined)
      this.#options.log.warn(`Cannot read interfaces and routes, trying again: ${message}`);
  }

  async #readFactsOnce(): Promise<void> {
    const { kernel, limit, log, options } = this.#options;
    const { document } = this.#host;
    const result = await readHost(kernel, options.interface, familiesOf(document), this.#reading.chosen);
    // Read for a config that is no longer in force.
    if (document !== this.#host.document) return void (this.#isFactsDue = true);
    if (!result.ok) {
      if (limit.take('no-interface') !== undefined)
        log.warn(`${result.message}; what was chosen stays in force`);
      return;
    }
    const { lack } = result.reading;
    if (lack !== undefined && result.reading.chosen.ipv6 !== undefined && limit.take('no-ipv6') !== undefined)
      log.warn(`${lack.reason}; the IPv6 address of before stays in force`);
    const { nodeId: before } = identityOf(this.#reading);
    if (hasLostAddress(this.#reading, result.reading)) this.#options.registry.reconnect();
    if (result.reading.chosen.name !== this.#reading.chosen.name) this.offload.forget();
    this.#reading = result.reading;
    const facts = this.#complete(result.reading.facts);
    const host = configForHost(this.#host.document, facts, lack);
    const isOther = (host.lack === undefined) !== (this.#host.lack === undefined);
    if (isOther) this.#setHost(host);
    else this.#host = host;
    if (!isOther && !this.#network.setFacts(facts)) return;
    const who = identityOf(result.reading);
    if (who.nodeId !== before)
      log.warn('The public IP of this host changed', { from: before, to: who.nodeId });
    this.keeper.setIdentity(who);
    this.keeper.publish();
  }
}

/** What stands for this host in the registry. */
function identityOf({ chosen }: HostSnapshot): NodeIdentity {
  const { publicIp, publicIpv6 } = chosen;
  const identity = publicIp ?? publicIpv6;
  if (identity === undefined) throw new Error(`Interface ${chosen.name} was chosen without a public address`);
  return { nodeId: identity, ...(publicIpv6 && { publicIpv6 }) };
}

/** Whether what was found out about checksums is to be found out anew. */
function isOtherTrial(
  { config: { backend: before } }: HostConfig,
  { config: { backend } }: HostConfig,
): boolean {
  if (before.type !== 'vxlan' || backend.type !== 'vxlan') return before.type !== backend.type;
  return before.txChecksumOffload !== backend.txChecksumOffload || before.port !== backend.port;
}

/** Whether an address that connections may hang on is another one now. */
function hasLostAddress({ chosen: before }: HostSnapshot, { chosen: now }: HostSnapshot): boolean {
  if (before.name !== now.name) return true;
  return (['ipv4', 'ipv6'] as const).some(
    (family) => before[family] !== undefined && before[family] !== now[family],
  );
}

/** Half of the life at most: a margin as long as a short lease would renew it without pause. */
function renewMarginSec({ subnetLeaseRenewMarginMin, subnetLeaseTtlSec }: DaemonOptions): number {
  return Math.min(subnetLeaseRenewMarginMin * 60, Math.floor(subnetLeaseTtlSec / 2));
}
