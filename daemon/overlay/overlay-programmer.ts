// Derives what the overlay wants and passes it on: kernel objects to the reconciler, subnet.env to
// its writer. Keeps the contexts of the transports as derived last, and the peers whose entries
// outlive their lease.
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import type { ForwardingPolicy } from '../host/forwarding-setup.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { DepartedPeers } from './departed-peers.ts';
import {
  deriveContexts,
  derivedAttributes,
  deriveHostObjects,
  deriveOwnership,
  derivePeer,
  deriveSubnetEnv,
  type OverlayInputs,
  type TransportContexts,
} from './derive-overlay.ts';
import type { MigrationState } from './migration-state.ts';

export interface OverlayProgrammerDeps {
  readonly reconciler: Reconciler;
  readonly subnetFile: Pick<SubnetFileWriter, 'write'>;
  readonly policyFor: (config: NetworkConfig) => ForwardingPolicy;
  /** Whether packets to unassigned addresses of the own subnet are dropped. */
  readonly isBlackholing: boolean;
  readonly clock: Clock;
  /** Whether every peer of the cluster is known. Default: yes. */
  readonly isComplete?: () => boolean;
}

export class OverlayProgrammer {
  readonly #deps: OverlayProgrammerDeps;
  readonly #departed: DepartedPeers;
  #contexts: TransportContexts = new Map();
  #areAllSet = false;

  constructor(deps: OverlayProgrammerDeps) {
    this.#deps = deps;
    this.#departed = new DepartedPeers(deps.clock, (key) => deps.reconciler.removePeer(key));
  }

  /** As derived last. */
  get contexts(): TransportContexts {
    return this.#contexts;
  }

  /** When {@link removeDeparted} has something to do. */
  get deadlinesMs(): readonly number[] {
    return this.#departed.deadlinesMs;
  }

  /** Starts the reconciler. Until {@link setAll} it removes nothing: peers are still to be set. */
  start(): void {
    this.#deps.reconciler.start();
  }

  /**
   * Every known peer is set, so any other object of ours in the kernel is an orphan, unless the registry has not answered
   * yet: peers may exist that are not known.
   */
  setAll(): void {
    this.#areAllSet = true;
    this.markComplete();
  }

  /** Every peer may be known now. */
  markComplete(): void {
    const { isComplete, reconciler } = this.#deps;
    if (this.#areAllSet && isComplete?.() !== false) reconciler.markComplete();
  }

  /**
   * Derives the contexts of all transports; returns what is published by each.
   * @throws BackendError
   */
  update(inputs: OverlayInputs, own: OwnLease): ReadonlyMap<string, LeaseAttributes> {
    this.#contexts = deriveContexts(inputs, own);
    return derivedAttributes(this.#contexts);
  }

  /** Sets host and subnet.env from the contexts; peers are to follow. @throws BackendError */
  programHost(inputs: OverlayInputs, own: OwnLease): void {
    const { isBlackholing, policyFor, reconciler, subnetFile } = this.#deps;
    const policy = policyFor(inputs.host.config);
    const ownership = deriveOwnership(inputs);
    const options = { ownership, policy, isBlackholing };
    reconciler.setHost(ownership, deriveHostObjects(this.#contexts, own, options));
    subnetFile.write(deriveSubnetEnv(this.#contexts, own, inputs.host, policy));
  }

  /** Sets what leads to a peer; `undefined`: its lease is gone. */
  programPeer(migration: MigrationState, key: string, peer: Lease | undefined): void {
    if (peer === undefined) return this.#departed.add(key);
    this.#departed.delete(key);
    const state = derivePeer(migration, this.#contexts, peer);
    if (state !== undefined) this.#deps.reconciler.setPeer(key, state);
  }

  /** The lease of a peer is there again, and is to be derived. */
  keepPeer(key: string): void {
    this.#departed.delete(key);
  }

  /** Removes the entries of peers whose grace time is over. */
  removeDeparted(): void {
    this.#departed.removeDue();
  }
}
