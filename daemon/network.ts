// Joins the parts once config, interface and registry are known: leases and facts about the host go in, desired kernel
// objects and subnet.env come out. Whatever changes, it derives again what depends on it and hands that on; it never
// looks at the kernel itself, and it knows no backend by name.
import type { Clock } from '../allocator/clock.ts';
import type { NetworkConfig } from '../allocator/config.ts';
import type { OwnLease, OwnLeaseChange } from '../allocator/lease-events.ts';
import type { Lease, LeaseAttributes } from '../allocator/lease.ts';
import {
  BackendError,
  type Backend,
  type BackendContext,
  type HostFacts,
  type Ownership,
  type PeerState,
} from '../backends/backend.ts';
import { deriveBlackholes } from '../backends/blackhole.ts';
import { deriveFirewall, deriveForwarding, type FirewallPolicy } from '../backends/firewall.ts';
import { backendFor } from '../backends/index.ts';
import type { KernelObject, OverlayMtu } from '../backends/kernel-state.ts';
import type { HostConfig } from './family-choice.ts';
import { sameFacts } from './host-facts.ts';
import type { Logger } from './log.ts';
import type { Reconciler } from './reconciler/reconciler.ts';
import { formatSubnetEnv } from './subnet-env.ts';
import type { SubnetFileKeeper } from './subnet-file-keeper.ts';

export interface NetworkOptions {
  readonly host: HostConfig;
  readonly facts: HostFacts;
  readonly reconciler: Reconciler;
  readonly subnetFile: SubnetFileKeeper;
  readonly routerFor: (config: NetworkConfig) => RouterPolicy;
  /** Whether packets for addresses of the own subnet that nobody has are dropped. */
  readonly isBlackholing: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * How long the entries of a peer outlive its lease. A host whose key was deleted or whose lease was revoked takes the
 * same subnet again within a few round trips to the registry, and traffic to it should not notice.
 */
const WITHDRAWAL_GRACE_MS = 50;

/** Where peers are looked up; the lease keeper. */
export interface PeerSource {
  readonly peers: ReadonlyMap<string, Lease>;
}

/** What this host does for packets that it forwards, whatever the backend. */
export interface RouterPolicy {
  readonly firewall: FirewallPolicy;
  /** Whether forwarding is turned on. */
  readonly setsSysctls: boolean;
}

export class Network {
  readonly #options: NetworkOptions;
  /** Peers without a lease whose entries are still there, with what cancels their removal. */
  readonly #leaving = new Map<string, () => void>();
  #host: HostConfig;
  #facts: HostFacts;
  #own: OwnLease | undefined;
  #problem: string | undefined;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#host = options.host;
    this.#facts = options.facts;
  }

  /** Why the backend cannot work with the facts as they are; `undefined` if it can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Removes nothing more. */
  stop(): void {
    for (const cancel of this.#leaving.values()) cancel();
  }

  /** What to publish; the lease keeper asks. @throws BackendError if this host cannot take part. */
  attributes(previous?: LeaseAttributes): LeaseAttributes {
    return this.#backend.attributes(this.#host.config, this.#facts, previous);
  }

  /** What of the kernel's state is ours: also in a family that this host does not have now, but may have had. */
  ownership(): Ownership {
    return this.#backend.ownership(this.#host.document, this.#facts);
  }

  /** The own lease is new or changed. */
  setOwnLease(own: OwnLease, change: OwnLeaseChange, { peers }: PeerSource): void {
    const isFirst = this.#own === undefined;
    this.#own = own;
    this.#deriveAll(peers);
    if (isFirst) this.#startReconciler();
    if (change !== 'updated' || isFirst)
      this.#options.log.info('Subnet of this host', { ...own.subnets, key: own.key });
  }

  /** Leases of peers came, went or changed. */
  setPeers(changedKeys: ReadonlySet<string>, { peers }: PeerSource): void {
    const context = this.#context();
    if (context === undefined) return;
    for (const key of changedKeys) this.#derivePeer(context, key, peers.get(key));
  }

  /** Facts about the host were read again. Returns whether anything changed for peers or the kernel. */
  setFacts(facts: HostFacts, { peers }: PeerSource): boolean {
    if (sameFacts(facts, this.#facts)) return false;
    this.#facts = facts;
    this.#deriveAll(peers);
    return true;
  }

  /** Another config is in force, and with it perhaps other facts count. */
  setConfig(host: HostConfig, facts: HostFacts, { peers }: PeerSource): void {
    this.#host = host;
    this.#facts = facts;
    this.#deriveAll(peers);
  }

  get #backend(): Backend {
    return backendFor(this.#host.config.backend.type);
  }

  /** All objects are known now, so whatever else is ours in the kernel is an orphan. */
  #startReconciler(): void {
    const { reconciler } = this.#options;
    reconciler.markComplete();
    reconciler.start();
  }

  #context(): BackendContext | undefined {
    if (this.#own === undefined) return undefined;
    return { config: this.#host.config, host: this.#facts, own: this.#own };
  }

  #deriveAll(peers: ReadonlyMap<string, Lease>): void {
    const context = this.#context();
    if (context === undefined) return;
    const { reconciler } = this.#options;
    try {
      const ownership = this.ownership();
      reconciler.setHost(ownership, [
        ...this.#backend.deriveHost(context),
        ...this.#deriveRouter(context),
        ...(this.#options.isBlackholing ? deriveBlackholes(context.own.subnets, ownership) : []),
      ]);
      for (const [key, peer] of peers) this.#derivePeer(context, key, peer);
      this.#writeSubnetEnv(context, this.#backend.mtu(context.config, context.host));
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      this.#problem = error.message;
      this.#options.log.error(`${error.message}; what is programmed already stays`);
    }
  }

  #deriveRouter(context: BackendContext): readonly KernelObject[] {
    const { firewall, setsSysctls } = this.#options.routerFor(context.config);
    return [...(setsSysctls ? deriveForwarding(context) : []), ...deriveFirewall(context, firewall)];
  }

  #derivePeer(context: BackendContext, key: string, peer: Lease | undefined): void {
    const { reconciler } = this.#options;
    if (peer === undefined) return this.#removeSoon(key);
    this.#leaving.get(key)?.();
    this.#leaving.delete(key);
    reconciler.setPeer(key, this.#stateOf(context, peer));
  }

  /** Whatever a lease makes a backend do wrong costs that peer alone. */
  #stateOf(context: BackendContext, peer: Lease): PeerState {
    try {
      return this.#backend.derivePeer(context, peer);
    } catch (error) {
      return { mode: 'error', reason: `Cannot derive its entries: ${(error as Error).message}`, objects: [] };
    }
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

  #writeSubnetEnv({ config, own }: BackendContext, mtu: OverlayMtu): void {
    const { subnetFile, routerFor } = this.#options;
    const { isMasquerading } = routerFor(config).firewall;
    const { ipv4, ipv6 } = config;
    const networks = { ...(ipv4 && { ipv4: ipv4.network }), ...(ipv6 && { ipv6: ipv6.network }) };
    subnetFile.write(formatSubnetEnv({ networks, subnets: own.subnets, mtu, isMasquerading }));
  }
}
