// Tells operators what the reconciler does: the state of the host and of each peer, kept up to date by judging those whom
// a run touched; and events for the log, gathered so that a thousand repairs are one line. Changes nothing.
import type { Clock } from '../../lib/clock.ts';
import type { PeerState } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import { isInSync } from './diff.ts';
import type { DesiredState, Owner } from './desired-state.ts';
import type { RetryGate } from './retry-gate.ts';
import { computeStatus, rejectionOf } from './owner-status.ts';
import type { KernelCache } from './kernel-cache.ts';
import type { EventCode, PeerStatus, ReconcilerEvent, StatusSummary } from './status.ts';
import { StatusTable } from './status-table.ts';

/** Objects or peers that one event names; there may be thousands. */
const NAMED_OBJECTS = 5;

export interface StatusReporterDeps {
  readonly desired: DesiredState;
  readonly gate: RetryGate;
  readonly cache: KernelCache;
  readonly clock: Clock;
  readonly onChange?: ((summary: StatusSummary) => void) | undefined;
  readonly onEvent?: ((event: ReconcilerEvent) => void) | undefined;
}

export class StatusReporter {
  readonly #deps: StatusReporterDeps;
  readonly #table: StatusTable;
  readonly #peers = new Map<string, PeerState>();
  /** Owners whose state has to be judged anew. */
  readonly #stale = new Set<Owner>();
  /** Peers that were told to be refused, with the reason. */
  readonly #rejected = new Map<Owner, string>();
  /** Peers whose refusal may be another than told. */
  readonly #unsettled = new Set<Owner>();
  #drifted: ObjectKey[] = [];
  /** Since when objects are being put back. */
  readonly #underRepair = new Map<ObjectKey, number>();
  readonly #repaired = new Map<ObjectKey, number>();
  #lastSummary = '';

  constructor(parts: StatusReporterDeps) {
    this.#deps = parts;
    this.#table = new StatusTable(parts.clock.nowMs());
  }

  get peers(): ReadonlyMap<string, PeerStatus> {
    return this.#table.peers;
  }

  setPeer(key: string, state: PeerState): void {
    this.#peers.set(key, state);
  }

  removePeer(key: string): void {
    this.#peers.delete(key);
    this.#rejected.delete(key);
    this.#table.delete(key);
  }

  /** Marks those who want `key` for being judged anew. */
  markStale(key: ObjectKey): void {
    for (const owner of this.#deps.desired.claimantsOf(key)) this.#stale.add(owner);
  }

  markAllStale(): void {
    this.#stale.add(HOST);
    for (const key of this.#peers.keys()) this.#stale.add(key);
  }

  /** Judges `owner` now; no longer known peers are passed over. */
  computeStatus(owner: Owner): void {
    const { desired, gate, cache, clock } = this.#deps;
    const peer = this.#peers.get(owner);
    if (peer === undefined && owner !== HOST) return;
    const nowMs = clock.nowMs();
    const computed = computeStatus(owner, peer, { desired, gate, cached: cache.cached, nowMs });
    if (computed.isProgrammed && gate.forgetFailure(owner))
      this.emit(owner === HOST ? 'HOST_RECOVERED' : 'PEER_RECOVERED', 'info', peer ? { peer: owner } : {});
    const { state, reason } = computed;
    const status = { state, sinceMs: nowMs, ...(reason === undefined ? {} : { reason }) };
    if (peer === undefined) this.#table.setHost(status);
    else this.#table.set(owner, { ...status, mode: peer.mode });
    if (state === 'error' || this.#rejected.has(owner)) this.#unsettled.add(owner);
  }

  /** Brings states up to date and tells of refused peers and of drift since the last time. */
  report(): void {
    for (const owner of this.#stale) this.computeStatus(owner);
    this.#stale.clear();
    this.#emitRejections();
    this.#emitDrift();
    this.#emitRepairs();
  }

  #emitDrift(): void {
    if (this.#drifted.length === 0) return;
    const objects = this.#drifted.slice(0, NAMED_OBJECTS);
    this.emit('KERNEL_DRIFT', 'warn', { count: this.#drifted.length, objects });
    this.#drifted = [];
  }

  #emitRepairs(): void {
    if (this.#repaired.size === 0) return;
    const objects = [...this.#repaired.keys()].slice(0, NAMED_OBJECTS);
    const firstMs = [...this.#repaired.values()].reduce((a, b) => Math.min(a, b));
    const ms = Math.round(this.#deps.clock.nowMs() - firstMs);
    this.emit('KERNEL_REPAIRED', 'info', { count: this.#repaired.size, objects, ms });
    this.#repaired.clear();
  }

  /** Only now, as a conflict may last no longer than it takes to set all peers. */
  #emitRejections(): void {
    const news: { readonly peer: Owner; readonly reason: string }[] = [];
    for (const peer of this.#unsettled) {
      const reason = rejectionOf(peer, this.#peers.get(peer), this.#deps.desired);
      if (reason === undefined || !this.#peers.has(peer)) this.#rejected.delete(peer);
      else if (this.#rejected.get(peer) !== reason) news.push({ peer, reason });
    }
    this.#unsettled.clear();
    for (const { peer, reason } of news) this.#rejected.set(peer, reason);
    for (const fields of news.slice(0, NAMED_OBJECTS)) this.emit('PEER_REJECTED', 'warn', fields);
    const more = news.length - NAMED_OBJECTS;
    if (more > 0) this.emit('PEER_REJECTED', 'warn', { more });
  }

  addDrift(key: ObjectKey): void {
    this.#drifted.push(key);
    if (!this.#underRepair.has(key)) this.#underRepair.set(key, this.#deps.clock.nowMs());
    this.markStale(key);
  }

  /** Looks which of the objects that somebody changed are as they should be. */
  checkRepairs(keys: Iterable<ObjectKey> = [...this.#underRepair.keys()]): void {
    const { desired, cache } = this.#deps;
    if (this.#underRepair.size === 0) return;
    for (const key of keys) {
      const sinceMs = this.#underRepair.get(key);
      const want = desired.objects.get(key);
      const have = cache.cached?.objects.get(key);
      if (sinceMs === undefined || !(want === undefined ? have === undefined : isInSync(want, have)))
        continue;
      this.#underRepair.delete(key);
      this.#repaired.set(key, sinceMs);
    }
  }

  /** Tells of steps that remove what nobody wants. */
  reportOrphans(steps: readonly Step[]): void {
    const { objects: desired } = this.#deps.desired;
    const keys = steps.filter(({ action }) => action === 'remove').map(({ object }) => objectKey(object));
    const orphans = keys.filter((key) => !desired.has(key));
    if (orphans.length === 0) return;
    this.emit('ORPHANS_REMOVED', 'info', {
      count: orphans.length,
      objects: orphans.slice(0, NAMED_OBJECTS),
    });
  }

  summary(isComplete: boolean, readError: string | undefined): StatusSummary {
    const { sinceMs: _sinceMs, ...host } = this.#table.host;
    return {
      peers: this.#peers.size,
      inSync: this.#table.count('in-sync'),
      pending: this.#table.count('pending'),
      errors: this.#table.count('error'),
      host,
      contested: this.#deps.gate.contested(this.#deps.clock.nowMs()),
      isComplete,
      ...(readError === undefined ? {} : { readError }),
    };
  }

  /** Passes `summary` on if it differs from the last one. */
  emitSummary(summary: StatusSummary): void {
    const text = JSON.stringify(summary);
    if (text === this.#lastSummary) return;
    this.#lastSummary = text;
    this.#deps.onChange?.(summary);
  }

  emit(code: EventCode, level: ReconcilerEvent['level'], fields: ReconcilerEvent['fields']): void {
    this.#deps.onEvent?.({ code, level, fields });
  }
}
