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
import { computeStatus, refusalOf } from './owner-status.ts';
import type { KernelCache } from './kernel-cache.ts';
import type { EventCode, PeerStatus, ReconcilerEvent, StatusSummary } from './reports.ts';
import { StatusTable } from './status-table.ts';

/** Objects or peers that one event names; there may be thousands. */
const NAMED_OBJECTS = 5;

export interface ReporterParts {
  readonly desired: DesiredState;
  readonly holds: RetryGate;
  readonly view: KernelCache;
  readonly clock: Clock;
  readonly onChange?: ((summary: StatusSummary) => void) | undefined;
  readonly onEvent?: ((event: ReconcilerEvent) => void) | undefined;
}

export class Reporter {
  readonly #parts: ReporterParts;
  readonly #book: StatusTable;
  readonly #peers = new Map<string, PeerState>();
  /** Owners whose state has to be judged anew. */
  readonly #touched = new Set<Owner>();
  /** Peers that were told to be refused, with the reason. */
  readonly #refused = new Map<Owner, string>();
  /** Peers whose refusal may be another than told. */
  readonly #unsettled = new Set<Owner>();
  #drifted: ObjectKey[] = [];
  /** Since when objects are being put back. */
  readonly #underRepair = new Map<ObjectKey, number>();
  readonly #repaired = new Map<ObjectKey, number>();
  #lastSummary = '';

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.#book = new StatusTable(parts.clock.nowMs());
  }

  get peers(): ReadonlyMap<string, PeerStatus> {
    return this.#book.peers;
  }

  setPeer(key: string, state: PeerState): void {
    this.#peers.set(key, state);
  }

  removePeer(key: string): void {
    this.#peers.delete(key);
    this.#refused.delete(key);
    this.#book.delete(key);
  }

  /** Marks those who want `key` for being judged anew. */
  touchKey(key: ObjectKey): void {
    for (const owner of this.#parts.desired.claimantsOf(key)) this.#touched.add(owner);
  }

  touchAll(): void {
    this.#touched.add(HOST);
    for (const key of this.#peers.keys()) this.#touched.add(key);
  }

  /** Judges `owner` now; no longer known peers are passed over. */
  judge(owner: Owner): void {
    const { desired, holds, view, clock } = this.#parts;
    const peer = this.#peers.get(owner);
    if (peer === undefined && owner !== HOST) return;
    const nowMs = clock.nowMs();
    const verdict = computeStatus(owner, peer, { desired, holds, mirror: view.mirror, nowMs });
    if (verdict.isProgrammed && holds.forgetFailure(owner))
      this.tell(owner === HOST ? 'HOST_RECOVERED' : 'PEER_RECOVERED', 'info', peer ? { peer: owner } : {});
    const { state, reason } = verdict;
    const status = { state, sinceMs: nowMs, ...(reason === undefined ? {} : { reason }) };
    if (peer === undefined) this.#book.setHost(status);
    else this.#book.set(owner, { ...status, mode: peer.mode });
    if (state === 'error' || this.#refused.has(owner)) this.#unsettled.add(owner);
  }

  /** Brings states up to date and tells of refused peers and of drift since the last time. */
  report(): void {
    for (const owner of this.#touched) this.judge(owner);
    this.#touched.clear();
    this.#tellRefusals();
    this.#tellDrift();
    this.#tellRepairs();
  }

  #tellDrift(): void {
    if (this.#drifted.length === 0) return;
    const objects = this.#drifted.slice(0, NAMED_OBJECTS);
    this.tell('KERNEL_DRIFT', 'warn', { count: this.#drifted.length, objects });
    this.#drifted = [];
  }

  #tellRepairs(): void {
    if (this.#repaired.size === 0) return;
    const objects = [...this.#repaired.keys()].slice(0, NAMED_OBJECTS);
    const firstMs = [...this.#repaired.values()].reduce((a, b) => Math.min(a, b));
    const ms = Math.round(this.#parts.clock.nowMs() - firstMs);
    this.tell('KERNEL_REPAIRED', 'info', { count: this.#repaired.size, objects, ms });
    this.#repaired.clear();
  }

  /** Only now, as a conflict may last no longer than it takes to set all peers. */
  #tellRefusals(): void {
    const news: { readonly peer: Owner; readonly reason: string }[] = [];
    for (const peer of this.#unsettled) {
      const reason = refusalOf(peer, this.#peers.get(peer), this.#parts.desired);
      if (reason === undefined || !this.#peers.has(peer)) this.#refused.delete(peer);
      else if (this.#refused.get(peer) !== reason) news.push({ peer, reason });
    }
    this.#unsettled.clear();
    for (const { peer, reason } of news) this.#refused.set(peer, reason);
    for (const fields of news.slice(0, NAMED_OBJECTS)) this.tell('PEER_REJECTED', 'warn', fields);
    const more = news.length - NAMED_OBJECTS;
    if (more > 0) this.tell('PEER_REJECTED', 'warn', { more });
  }

  addDrift(key: ObjectKey): void {
    this.#drifted.push(key);
    if (!this.#underRepair.has(key)) this.#underRepair.set(key, this.#parts.clock.nowMs());
    this.touchKey(key);
  }

  /** Looks which of the objects that somebody changed are as they should be. */
  lookForRepairs(keys: Iterable<ObjectKey> = [...this.#underRepair.keys()]): void {
    const { desired, view } = this.#parts;
    if (this.#underRepair.size === 0) return;
    for (const key of keys) {
      const sinceMs = this.#underRepair.get(key);
      const want = desired.objects.get(key);
      const have = view.mirror?.objects.get(key);
      if (sinceMs === undefined || !(want === undefined ? have === undefined : isInSync(want, have)))
        continue;
      this.#underRepair.delete(key);
      this.#repaired.set(key, sinceMs);
    }
  }

  /** Tells of steps that remove what nobody wants. */
  reportOrphans(steps: readonly Step[]): void {
    const { objects: desired } = this.#parts.desired;
    const keys = steps.filter(({ action }) => action === 'remove').map(({ object }) => objectKey(object));
    const orphans = keys.filter((key) => !desired.has(key));
    if (orphans.length === 0) return;
    this.tell('ORPHANS_REMOVED', 'info', {
      count: orphans.length,
      objects: orphans.slice(0, NAMED_OBJECTS),
    });
  }

  summary(isComplete: boolean, readError: string | undefined): StatusSummary {
    const { sinceMs: _sinceMs, ...host } = this.#book.host;
    return {
      peers: this.#peers.size,
      inSync: this.#book.count('in-sync'),
      pending: this.#book.count('pending'),
      errors: this.#book.count('error'),
      host,
      contested: this.#parts.holds.contested(this.#parts.clock.nowMs()),
      isComplete,
      ...(readError === undefined ? {} : { readError }),
    };
  }

  /** Passes `summary` on if it differs from the last one. */
  tellSummary(summary: StatusSummary): void {
    const text = JSON.stringify(summary);
    if (text === this.#lastSummary) return;
    this.#lastSummary = text;
    this.#parts.onChange?.(summary);
  }

  tell(code: EventCode, level: ReconcilerEvent['level'], fields: ReconcilerEvent['fields']): void {
    this.#parts.onEvent?.({ code, level, fields });
  }
}
