// Joins the parts once config, interface and registry are known: leases and facts about the host go in, desired kernel
// objects and subnet.env come out. Whatever changes, it derives again what depends on it and hands that on; it never
// looks at the kernel itself, and it knows no backend by name.
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { OwnLease, OwnLeaseChange } from '../../allocator/lease/lease-events.ts';
import { sameAttributes } from '../../allocator/registry/lease-value.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import {
  BackendError,
  type BackendContext,
  type HostFacts,
  type Ownership,
  type PeerState,
} from '../../backends/backend.ts';
import { deriveBlackholes } from '../../backends/blackhole.ts';
import { deriveFirewall, deriveForwarding } from '../../backends/firewall.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import {
  backendOf,
  deriveAs,
  deriveHostFor,
  derivePeerFor,
  mtuFor,
  ownershipFor,
} from './derive-transports.ts';
import type { HostConfig } from '../host/family-choice.ts';
import type { ForwardingPolicy } from '../host/forwarding-setup.ts';
import { sameFacts } from '../host/host-facts.ts';
import type { Logger } from '../log/log.ts';
import { checkHost } from '../host/prerequisites.ts';
import { HOST } from '../reconciler/desired-state.ts';
import { isInSync } from '../reconciler/diff.ts';
import { deviceOf } from '../reconciler/object-device.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import { formatSubnetEnv } from '../subnet-file/subnet-env.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { TransportMigration, type LocalTransport, type MigrationPhase } from './transport-migration.ts';

export interface OverlayControllerDeps {
  readonly host: HostConfig;
  readonly facts: HostFacts;
  readonly reconciler: Reconciler;
  readonly subnetFile: SubnetFileWriter;
  readonly routerFor: (config: NetworkConfig) => ForwardingPolicy;
  /** Whether packets for addresses of the own subnet that nobody has are dropped. */
  readonly isBlackholing: boolean;
  /** How long others are waited for when the transport to this host changes, in ms; 0 means for ever. */
  readonly migrationTimeoutMs: number;
  /** What {@link OverlayController.attributes} gives is another now. */
  readonly onPublish: () => void;
  /** {@link OverlayController.migration} is another now. */
  readonly onMigration: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A change of the transport to this host that is under transport. */
export interface MigrationStatus {
  readonly state: Exclude<MigrationPhase, 'steady'>;
  readonly announced: string;
  readonly wanted: string;
  /** Keys of peers that have not followed. */
  readonly pendingPeers: readonly string[];
  /** Why the wanted transport cannot be announced. */
  readonly blocker?: string;
}

/** What this host takes part in, which may be less than the document says, or otherwise while that is on its transport. */
export interface NetworkStatus {
  /** With the backend that is announced. */
  readonly config: NetworkConfig;
  /** For containers, whichever transport their packets go; unset if nothing usable is left. */
  readonly mtu?: number;
}

/**
 * How long the entries of a peer outlive its lease. A host whose key was deleted or whose lease was revoked takes the
 * same subnet again within a few round trips to the registry, and traffic to it should not notice.
 */
const WITHDRAWAL_GRACE_MS = 80;

/** Where peers are looked up; the lease keeper. */
export interface PeerSource {
  readonly peers: ReadonlyMap<string, Lease>;
}

export class OverlayController {
  readonly #options: OverlayControllerDeps;
  readonly #migration: TransportMigration;
  /** By name of the transport, as derived last. */
  #contexts: ReadonlyMap<string, BackendContext> = new Map();
  /** Peers without a lease whose entries are still there, with what cancels their removal. */
  readonly #leaving = new Map<string, () => void>();
  #host: HostConfig;
  #facts: HostFacts;
  #own: OwnLease | undefined;
  #peers: ReadonlyMap<string, Lease> = new Map();
  #problem: string | undefined;
  #blocker: string | undefined;
  #cancelAdvance: () => void = () => undefined;

  constructor(options: OverlayControllerDeps) {
    const { clock, host, facts, migrationTimeoutMs } = options;
    this.#options = options;
    this.#host = host;
    this.#facts = facts;
    this.#migration = new TransportMigration(host.config.backend, clock, migrationTimeoutMs);
  }

  /** Why the backend cannot work with the facts as they are; `undefined` if it can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** What is left of a change of the transport to this host; `undefined` if nothing. */
  get migration(): MigrationStatus | undefined {
    const { announced, state, pendingPeers, wanted } = this.#migration;
    if (state === 'steady') return undefined;
    const blocker = state === 'preparing' ? this.#blocker : undefined;
    return {
      state,
      announced: announced.name,
      wanted: wanted.name,
      pendingPeers,
      ...(blocker && { blocker }),
    };
  }

  /** As it is now. */
  get status(): NetworkStatus {
    const config = this.#migration.configFor(this.#host.config, this.#migration.announced);
    const configs = this.#migration.all.map((transport) =>
      this.#migration.configFor(this.#host.config, transport),
    );
    try {
      return { config, mtu: mtuFor(configs.map((each) => ({ config: each, host: this.#facts }))) };
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      return { config };
    }
  }

  /** Removes nothing more. */
  stop(): void {
    this.#cancelAdvance();
    for (const cancel of this.#leaving.values()) cancel();
  }

  /** What to publish; the lease keeper asks. @throws BackendError if this host cannot take part. */
  attributes(previous?: LeaseAttributes): LeaseAttributes {
    this.#migration.begin(
      previous,
      (backend) => checkHost({ ...this.#host.config, backend }, this.#facts) === undefined,
    );
    const attributes = this.#attributesFor(this.#migration.announced, previous);
    // A transport that only peers have told of yet: whoever hears of it from this host needs to know all of it.
    for (const transport of this.#migration.all)
      if (transport.attributes === undefined) this.#attributesFor(transport);
    const { weft } = this.#migration;
    return weft === undefined ? attributes : { ...attributes, weft };
  }

  /** What of the kernel's state is ours: also in a family that this host does not have now, but may have had. */
  ownership(): Ownership {
    const configs = this.#migration.all.map((transport) =>
      this.#migration.configFor(this.#host.clusterConfig, transport),
    );
    return ownershipFor(configs.map((config) => ({ config, host: this.#facts })));
  }

  /** The own lease is new or changed. */
  setOwnLease(own: OwnLease, change: OwnLeaseChange, { peers }: PeerSource): void {
    const isFirst = this.#own === undefined;
    this.#own = own;
    this.#deriveAll(peers);
    if (isFirst) this.#startReconciler();
    if (change !== 'updated' || isFirst)
      this.#options.log.info('Subnet of this host', { ...own.subnets, key: own.key });
    this.advance();
  }

  /** Leases of peers came, went or changed. */
  setPeers(changedKeys: ReadonlySet<string>, { peers }: PeerSource): void {
    let hasOtherTransports = false;
    for (const key of changedKeys) if (this.#migration.note(key, peers.get(key))) hasOtherTransports = true;
    if (hasOtherTransports) this.#deriveAll(peers);
    for (const key of changedKeys) this.#derivePeer(key, peers.get(key));
    this.advance();
  }

  /** Facts about the host were read again. Returns whether anything changed for peers or the kernel. */
  setFacts(facts: HostFacts, { peers }: PeerSource): boolean {
    if (sameFacts(facts, this.#facts)) return false;
    this.#facts = facts;
    this.#dropUnusable();
    this.#deriveAll(peers);
    return true;
  }

  /** Another config is in force, and with it perhaps other facts count. */
  setConfig(host: HostConfig, facts: HostFacts, { peers }: PeerSource): void {
    this.#host = host;
    this.#facts = facts;
    const before = this.#migration.state;
    this.#migration.want(host.config.backend);
    this.#dropUnusable();
    if (this.#migration.state !== before) this.#reportState();
    this.#deriveAll(peers);
    this.advance();
  }

  /** Whether the wanted transport leads through the device. */
  needs(device: string): boolean {
    const wanted = this.#contexts.get(this.#migration.wanted.name);
    return wanted === undefined || deriveHostFor([wanted]).some((object) => deviceOf(object) === device);
  }

  /** Takes a change of the transport to this host as far as it can go; to be called when the reconciler has settled, too. */
  advance(): void {
    if (this.#own === undefined || this.#problem !== undefined) return;
    for (
      let before: MigrationPhase | undefined;
      before !== this.#migration.state && this.#migration.state !== 'steady';
    ) {
      before = this.#migration.state;
      const { mustDerive, mustPublish } = this.#migration.advance({
        isSettled: this.#isSettled(),
        isPublished: sameAttributes(this.#own.attributes, this.attributes(this.#own.attributes)),
      });
      if (mustDerive) this.#deriveAll(this.#peers);
      if (mustPublish) this.#options.onPublish();
      if (before !== this.#migration.state) this.#reportState();
    }
    this.#planAdvance();
  }

  /** A transport that became impossible must not stand in the transport of the one that replaces it. */
  #dropUnusable(): void {
    for (const transport of this.#migration.dropUnusable())
      this.#options.log.warn('A transport to this host is given up at once, as it cannot be gone any more', {
        transport,
      });
  }

  #planAdvance(): void {
    const { clock } = this.#options;
    const { dueMs } = this.#migration;
    this.#cancelAdvance();
    if (dueMs !== undefined)
      this.#cancelAdvance = clock.setTimer(Math.max(0, dueMs - clock.nowMs()), () => this.advance());
  }

  #reportState(): void {
    const { announced, state, pendingPeers, wanted } = this.#migration;
    const fields = { state, announced: announced.name, wanted: wanted.name, waitingFor: pendingPeers.length };
    this.#options.log.info('The transport to this host changes', fields);
    this.#options.onMigration();
  }

  /** Whether the kernel holds what is wanted, and no peer would be lost by going on. */
  #isSettled(): boolean {
    const { log, reconciler } = this.#options;
    if (!reconciler.isSettled || !this.#isHostInPlace()) return false;
    const blocker = this.#migration.state === 'preparing' ? this.#findBlocker() : undefined;
    const isNews = blocker !== undefined && blocker !== this.#blocker;
    this.#blocker = blocker;
    if (isNews) log.error(`The transport to this host stays as it is, as a peer would be lost: ${blocker}`);
    if (isNews) this.#options.onMigration();
    return blocker === undefined;
  }

  /** Devices of other transports, which this host may have no room for, must not keep it from going the wanted one. */
  #isHostInPlace(): boolean {
    const { reconciler } = this.#options;
    if (reconciler.summary().host.state === 'in-sync') return true;
    const contexts = [...this.#contexts.values()];
    const devices = deriveHostFor(contexts).map(deviceOf);
    const beside = new Set(devices.filter((device) => device !== undefined && !this.needs(device)));
    for (const [key, want] of reconciler.objectsOf(HOST))
      if (!beside.has(deviceOf(want)) && !isInSync(want, reconciler.known?.objects.get(key))) return false;
    return true;
  }

  /** Why a peer that is reached now could not be reached in the wanted transport. */
  #findBlocker(): string | undefined {
    const wanted = this.#contexts.get(this.#migration.wanted.name);
    if (wanted === undefined) return undefined;
    for (const [key, peer] of this.#peers) {
      const state = deriveAs(wanted, peer);
      if (state.mode === 'error' && this.#stateOf(peer)?.mode !== 'error') return `${key}: ${state.reason}`;
    }
    return undefined;
  }

  /** All objects are known now, so whatever else is ours in the kernel is an orphan. */
  #startReconciler(): void {
    const { reconciler } = this.#options;
    reconciler.markComplete();
    reconciler.start();
  }

  #attributesFor(transport: LocalTransport, previous?: LeaseAttributes): LeaseAttributes {
    const config = this.#migration.configFor(this.#host.config, transport);
    const attributes = backendOf({ config }).attributes(
      config,
      this.#facts,
      transport.attributes ?? previous,
    );
    this.#migration.remember(transport.name, attributes);
    return attributes;
  }

  #contextFor(transport: LocalTransport, { subnets }: OwnLease): BackendContext {
    const config = this.#migration.configFor(this.#host.config, transport);
    const own = { subnets, attributes: this.#attributesFor(transport) };
    const isMigrating = this.#migration.all.length > 1;
    return { config, host: this.#facts, own, ...(isMigrating && { isMigrating }) };
  }

  #deriveAll(peers: ReadonlyMap<string, Lease>): void {
    this.#peers = peers;
    const own = this.#own;
    if (own === undefined) return;
    try {
      const transports = this.#migration.all;
      this.#contexts = new Map(
        transports.map((transport) => [transport.name, this.#contextFor(transport, own)]),
      );
      const contexts = [...this.#contexts.values()];
      const ownership = this.ownership();
      this.#options.reconciler.setHost(ownership, [
        ...deriveHostFor(contexts),
        ...this.#deriveRouter(contexts.at(-1)!),
        ...(this.#options.isBlackholing ? deriveBlackholes(own.subnets, ownership) : []),
      ]);
      for (const [key, peer] of peers) this.#derivePeer(key, peer);
      this.#writeSubnetEnv(own, contexts);
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      this.#problem = error.message;
      this.#options.log.error(`${error.message}; what is programmed already stays`);
    }
  }

  #deriveRouter(context: BackendContext): readonly KernelObject[] {
    const { firewall, setsSysctls } = this.#options.routerFor(this.#host.config);
    return [...(setsSysctls ? deriveForwarding(context) : []), ...deriveFirewall(context, firewall)];
  }

  #derivePeer(key: string, peer: Lease | undefined): void {
    if (this.#own === undefined) return;
    if (peer === undefined) return this.#removeSoon(key);
    this.#leaving.get(key)?.();
    this.#leaving.delete(key);
    const state = this.#stateOf(peer);
    if (state !== undefined) this.#options.reconciler.setPeer(key, state);
  }

  /** `undefined` while nothing can be derived for this host: what leads to the peer stays. */
  #stateOf(peer: Lease): PeerState | undefined {
    const transport = this.#migration.find(peer);
    const wanted = this.#contexts.get(this.#migration.wanted.name);
    const chosen = (transport && this.#contexts.get(transport.name)) ?? wanted;
    if (chosen === undefined) return undefined;
    if (transport !== undefined) return derivePeerFor([...this.#contexts.values()], chosen, peer);
    // Nobody knows how to send to it; its backend tells best why, unless it is the port.
    const state = backendOf(chosen).derivePeer(chosen, peer);
    if (state.mode === 'error') return state;
    const theirs = peer.attributes.weft?.port;
    const reason = `it listens at UDP port ${theirs} and this host does at ${this.#migration.wanted.port}`;
    return theirs === undefined ? state : { mode: 'error', reason, objects: [] };
  }

  #removeSoon(key: string): void {
    const { clock, reconciler } = this.#options;
    if (this.#leaving.has(key)) return;
    const cancel = clock.setTimer(WITHDRAWAL_GRACE_MS, () => {
      this.#leaving.delete(key);
      reconciler.removePeer(key);
    });
    this.#leaving.set(key, cancel);
  }

  #writeSubnetEnv({ subnets }: OwnLease, contexts: readonly BackendContext[]): void {
    const { subnetFile, routerFor } = this.#options;
    const { isMasquerading } = routerFor(this.#host.config).firewall;
    const { ipv4, ipv6 } = this.#host.config;
    const networks = { ...(ipv4 && { ipv4: ipv4.network }), ...(ipv6 && { ipv6: ipv6.network }) };
    subnetFile.write(formatSubnetEnv({ networks, subnets, mtu: mtuFor(contexts), isMasquerading }));
  }
}
