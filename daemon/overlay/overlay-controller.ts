// Runs the overlay of this host: takes leases and host facts in, derives desired kernel objects and
// subnet.env from them, and performs the effects of the migration's state machine. It reads no
// kernel and knows no backend by name.
//
//   lease, config, facts, peers ──► next(state, event, now) ──► derive ──► reconciler, subnet.env
//                                      ▲                   └──► publish, reports
//                                      └── observed: reconciler, registry, pending peers
//
// Peers are derived in slices, each from leases, config and facts as they are in its turn; what changes these adds the peers
// again. So in the end everything is derived from the same, whatever came between. Until then no migration goes on. At the start
// the reconciler sets what is derived while the rest is, and removes nothing before all is.
import type { Cidr } from '../../lib/address.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { OwnLease, OwnLeaseChange } from '../../allocator/lease/lease-events.ts';
import { sameAttributes } from '../../allocator/registry/lease-value.ts';
import type { LeaseAttributes } from '../../allocator/lease.ts';
import { BackendError, type Handshakes, type HostFacts, type Ownership } from '../../backends/backend.ts';
import type { HostConfig } from '../host/family-choice.ts';
import { sameFacts } from '../host/host-facts.ts';
import { checkHost } from '../host/prerequisites.ts';
import type { Logger } from '../log/log.ts';
import {
  attributesOf,
  deriveOwnership,
  findBlocker,
  findUnanswered,
  networkStatusOf,
  type OverlayInputs,
} from './derive-overlay.ts';
import { isHostInPlace, needsDevice } from './host-devices.ts';
import { announcedOf, wantedOf } from './migration-state.ts';
import { MigrationRunner } from './migration-runner.ts';
import { PeerClashes } from './peer-clashes.ts';
import { PeerIntake, type Leases } from './peer-intake.ts';
import { macsOf, PeerMacs } from './peer-macs.ts';
import { OverlayProgrammer, type OverlayProgrammerDeps } from './overlay-programmer.ts';
import type { MigrationStatus, NetworkStatus } from './overlay-status.ts';
import type { CanUse, MigrationEffect, MigrationEvent } from './migration-events.ts';

export interface OverlayControllerDeps extends OverlayProgrammerDeps {
  readonly host: HostConfig;
  readonly facts: HostFacts;
  /** Networks of an earlier run, as subnet.env names them. */
  readonly formerNetworks?: readonly Cidr[];
  /** How long a migration waits for peers, in ms; 0 means forever. */
  readonly migrationTimeoutMs: number;
  /** Publishes {@link OverlayController.attributes}, which changed. */
  readonly publish: () => void;
  /** Handshakes of WireGuard. Absent: none is known of. */
  readonly handshakes?: Handshakes;
  /** Most peers of a turn of the event loop. Default: 64. */
  readonly peersPerSlice?: number;
  /** Called when {@link OverlayController.migration} changed. */
  readonly onMigration: () => void;
  readonly log: Logger;
}

const NO_ATTRIBUTES: LeaseAttributes = { backendType: '' };

export class OverlayController {
  readonly #deps: OverlayControllerDeps;
  readonly #loop: ControlLoop;
  readonly #migration: MigrationRunner;
  readonly #programmer: OverlayProgrammer;
  readonly #macs = new PeerMacs();
  readonly #clashes: PeerClashes;
  readonly #intake: PeerIntake;
  #host: HostConfig;
  #facts: HostFacts;
  #own: OwnLease | undefined;
  #error: string | undefined;

  constructor(deps: OverlayControllerDeps) {
    const { clock, host, facts, migrationTimeoutMs } = deps;
    this.#deps = deps;
    this.#host = host;
    this.#facts = facts;
    this.#clashes = new PeerClashes(host.config);
    this.#migration = new MigrationRunner(host.config.backend, migrationTimeoutMs, clock);
    this.#programmer = new OverlayProgrammer(deps);
    this.#intake = new PeerIntake({
      size: deps.peersPerSlice,
      takeIn: (changedKeys, current) => this.#takeIn(changedKeys, current),
      derive: (keys) => this.#programPeers(keys),
      onDerived: () => this.#onDerived(),
    });
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#step(),
      deadlinesMs: () => [...this.#migration.deadlinesMs, ...this.#programmer.deadlinesMs],
    });
  }

  // ---- queries ----

  /** Why the backend cannot work with the facts as they are; `undefined` if it can. */
  get error(): string | undefined {
    return this.#error;
  }

  /** The migration in progress; `undefined` if none. */
  get migration(): MigrationStatus | undefined {
    const { status } = this.#migration;
    if (status === undefined) return undefined;
    return { ...status, pendingPeers: [...new Set([...status.pendingPeers, ...this.#unanswered])] };
  }

  /** Whether a migration waits for handshakes of WireGuard. */
  get awaitsHandshakes(): boolean {
    const { known } = this.#migration.state;
    return known.length > 1 && known.some(({ type }) => type === 'wireguard');
  }

  get status(): NetworkStatus {
    return networkStatusOf(this.#inputs);
  }

  /**
   * What to publish; `previous` is what the registry shows under the own key.
   * @throws BackendError if this host cannot take part.
   */
  attributes(previous?: LeaseAttributes): LeaseAttributes {
    const migration = this.#migration.startedWith(previous, this.#canUse);
    return attributesOf({ ...this.#inputs, migration }, previous);
  }

  ownership(): Ownership {
    return deriveOwnership(this.#inputs);
  }

  /** Whether the wanted transport needs the device. */
  needs(device: string): boolean {
    return needsDevice(this.#programmer.contexts, wantedOf(this.#migration.state).id, device);
  }

  // ---- inputs ----

  /** The own lease is new or changed. */
  setOwnLease(own: OwnLease, change: OwnLeaseChange): void {
    const isFirst = this.#own === undefined;
    this.#own = own;
    if (isFirst) this.#dispatch({ kind: 'started', published: own.attributes, canUse: this.#canUse });
    else this.#derive();
    if (isFirst) this.#loop.start();
    if (this.#intake.isEmpty) this.#onDerived();
    // The kernel gets what is derived while the rest is.
    else if (isFirst && this.#canStartEarly) this.#start();
    if (change !== 'updated' || isFirst)
      this.#deps.log.info('Subnet of this host', { ...own.subnets, key: own.key });
    this.#loop.wake();
  }

  /** Not for a migration, which needs the whole, nor while an answer of the registry is missing, without which ready is what is set. */
  get #canStartEarly(): boolean {
    const isSteady = this.#migration.state.kind === 'steady' && this.#error === undefined;
    return isSteady && this.#deps.isComplete?.() !== false;
  }

  /**
   * The leases of peers under `changedKeys` are as in `current`, a live map, or gone. Those that are gone come first; entries
   * of those that are back stay.
   */
  setPeers(changedKeys: ReadonlySet<string>, current: Leases): void {
    for (const key of changedKeys) if (current.has(key)) this.#programmer.keepPeer(key);
    this.#intake.add(changedKeys, current);
    this.#loop.wake();
  }

  #takeIn(changedKeys: ReadonlySet<string>, current: Leases): ReadonlySet<string> {
    const affected = this.#indexPeers(changedKeys, current);
    this.#perform(this.#migration.setPeers(changedKeys, current, this.#canUse));
    this.#changeTakenMac(changedKeys, current);
    return affected;
  }

  #programPeers(keys: readonly string[]): void {
    const { peers, state } = this.#migration;
    if (this.#own !== undefined)
      for (const key of keys) this.#programmer.programPeer(state, key, peers.get(key));
  }

  /** All peers are derived from what is known. */
  #onDerived(): void {
    if (this.#own === undefined) return;
    this.#programmer.setAll();
    this.#start();
    this.#loop.wake();
  }

  #start(): void {
    this.#programmer.start();
    this.#deps.reconciler.release();
  }

  /** Returns keys of other peers that must be derived again. */
  #indexPeers(changedKeys: ReadonlySet<string>, current: Leases): ReadonlySet<string> {
    const affected = new Set<string>();
    for (const key of changedKeys) {
      this.#macs.set(key, current.get(key));
      for (const other of this.#clashes.set(key, current.get(key)))
        if (!changedKeys.has(other)) affected.add(other);
    }
    return affected;
  }

  /** Two hosts with one MAC get each other's packets: this one takes another, and publishes it. */
  #changeTakenMac(changedKeys: ReadonlySet<string>, peers: Leases): void {
    if (this.#own === undefined) return;
    const ours = macsOf(this.#own.attributes);
    if (!ours.some((mac) => this.#macs.has(mac))) return;
    const key = [...changedKeys].find((one) =>
      macsOf(peers.get(one)?.attributes ?? NO_ATTRIBUTES).some((mac) => ours.includes(mac)),
    );
    if (key === undefined) return;
    this.#deps.log.warn('Replacing a VTEP MAC that a peer publishes, too', { peer: key });
    this.#derive();
    this.#deps.publish();
  }

  /** Facts about the host were read. Returns whether anything changed for peers or the kernel. */
  setFacts(facts: HostFacts): boolean {
    if (sameFacts(facts, this.#facts)) return false;
    this.#facts = facts;
    this.#dispatch({ kind: 'host-changed', canUse: this.#canUse });
    this.#loop.wake();
    return true;
  }

  /** Another config is in force, and with it perhaps other facts count. */
  setConfig(host: HostConfig, facts: HostFacts): void {
    this.#host = host;
    this.#facts = facts;
    this.#clashes.setConfig(host.config);
    this.#dispatch({ kind: 'backend-changed', backend: host.config.backend, canUse: this.#canUse });
    this.#loop.wake();
  }

  /**
   * What {@link Reconciler.isSettled} says may have changed: takes the migration as far as it can
   * go.
   */
  wake(): void {
    this.#loop.wake();
  }

  /** Peers have answered handshakes: each may be sent to by another transport now. */
  onHandshake(): void {
    if (this.awaitsHandshakes) this.#derive();
    this.#loop.wake();
  }

  /** The registry has answered: what it does not name is an orphan. */
  markComplete(): void {
    if (this.#intake.isEmpty) this.#programmer.markComplete();
  }

  /** Removes no more entries of peers, and goes on with no migration. */
  stop(): void {
    this.#intake.stop();
    void this.#loop.stop();
  }

  // ---- state machine ----

  get #inputs(): OverlayInputs {
    const { formerNetworks, handshakes } = this.#deps;
    const known = { takenMacs: this.#macs, peerClashes: this.#clashes };
    const facts = { ...this.#facts, ...known, ...(handshakes && { handshakes }) };
    const inputs = { host: this.#host, facts, migration: this.#migration.state };
    return formerNetworks === undefined ? inputs : { ...inputs, formerNetworks };
  }

  readonly #canUse: CanUse = (backend) =>
    checkHost({ ...this.#host.config, backend }, this.#facts) === undefined;

  #dispatch(event: MigrationEvent): void {
    this.#perform(this.#migration.dispatch(event));
  }

  #perform(effects: readonly MigrationEffect[]): void {
    const { log, onMigration, publish } = this.#deps;
    for (const effect of effects)
      switch (effect.kind) {
        case 'derive':
          this.#derive();
          break;
        case 'publish':
          publish();
          break;
        case 'report-state':
          this.#logState();
          onMigration();
          break;
        case 'report-blocker':
          log.error(`Migration blocked: peer would become unreachable: ${effect.blocker}`);
          onMigration();
          break;
        case 'report-dropped':
          log.warn('Dropping unusable transport', { transport: effect.transport });
      }
  }

  /** Steps the migration once; returns whether another step may follow. */
  #step(): boolean {
    this.#programmer.removeDeparted();
    const { kind } = this.#migration.state;
    if (this.#own === undefined || this.#error !== undefined || kind === 'steady') return false;
    const { reconciler } = this.#deps;
    const isSettled =
      this.#intake.isEmpty &&
      reconciler.isSettled &&
      (kind === 'removing' ? reconciler.hasRemovedAll : this.#isHostInPlace());
    const blocker = isSettled && kind === 'preparing' ? this.#findBlocker() : undefined;
    const unanswered = this.#unanswered.length;
    const { pending, behind } = this.#migration.pending;
    this.#dispatch({
      kind: 'observed',
      isSettled,
      isPublished: this.#isPublished(this.#own),
      pending: pending + unanswered,
      behind: behind + unanswered,
      ...(blocker !== undefined && { blocker }),
    });
    return this.#migration.state.kind !== kind;
  }

  get #unanswered(): readonly string[] {
    return findUnanswered(this.#migration.state, this.#programmer.contexts, this.#migration.peers);
  }

  #isHostInPlace(): boolean {
    return isHostInPlace(
      this.#deps.reconciler,
      this.#programmer.contexts,
      wantedOf(this.#migration.state).id,
    );
  }

  #isPublished({ attributes }: OwnLease): boolean {
    return sameAttributes(attributes, this.attributes(attributes));
  }

  #findBlocker(): string | undefined {
    return findBlocker(this.#migration.state, this.#programmer.contexts, this.#migration.peers);
  }

  #logState(): void {
    const { pending, state } = this.#migration;
    const [announced, wanted] = [announcedOf(state).id, wantedOf(state).id];
    const fields = { state: state.kind, announced, wanted, waitingFor: pending.pending };
    this.#deps.log.info('Migration state changed', fields);
  }

  // ---- derivation ----

  #derive(): void {
    if (this.#own === undefined) return;
    try {
      this.#deriveAll(this.#own);
      this.#error = undefined;
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      this.#error = error.message;
      this.#deps.log.error(`${error.message}; kernel state stays as it is`);
    }
  }

  #deriveAll(own: OwnLease): void {
    const attributes = this.#programmer.update(this.#inputs, own);
    this.#dispatch({ kind: 'attributes-derived', attributes });
    this.#programmer.programHost(this.#inputs, own);
    // The kernel must not hold the new host with some peers as they were.
    this.#deps.reconciler.hold();
    this.#intake.deriveAgain(this.#migration.peers.keys());
    if (this.#intake.isEmpty) this.#deps.reconciler.release();
  }
}
