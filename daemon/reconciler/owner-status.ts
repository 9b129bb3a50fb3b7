// What to tell operators about the host or one peer: in place, on its way, or why not. Pure.
import type { PeerState } from '../../backends/backend.ts';
import { deviceOf } from './object-device.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState, Owner } from './desired-state.ts';
import { isInSync } from './diff.ts';
import type { RetryGate } from './retry-gate.ts';
import type { CachedState } from './cached-state.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { Failure } from './failures.ts';
import type { SyncState } from './status.ts';

export interface ComputedStatus {
  readonly state: SyncState;
  readonly reason?: string;
  /** Whether the kernel holds all that the owner wants. */
  readonly isProgrammed: boolean;
}

interface StatusInputs {
  readonly desired: DesiredState;
  readonly gate: RetryGate;
  /** Unset before the first read. */
  readonly cached: CachedState | undefined;
  readonly nowMs: number;
}

/** Judges one owner; `peer` is unset for the host. Costs as much as the owner has objects. */
export function computeStatus(
  owner: Owner,
  peer: PeerState | undefined,
  inputs: StatusInputs,
): ComputedStatus {
  const refusal = rejectionOf(owner, peer, inputs.desired);
  const isWhole = peer?.mode === 'error' || refusal !== peer?.reason;
  if (refusal !== undefined && isWhole) return error(refusal);
  const missing = findMissing(owner, inputs);
  if (missing.length > 0) {
    const reason = findReason(missing, inputs);
    return reason === undefined ? { state: 'pending', isProgrammed: false } : error(reason);
  }
  if (inputs.cached === undefined) return { state: 'pending', isProgrammed: false };
  // One family works; the other is the peer's own fault.
  if (refusal !== undefined) return { state: 'error', reason: refusal, isProgrammed: true };
  return { state: 'in-sync', isProgrammed: true };
}

/** What keeps an owner, or one family of it, from being programmed whatever the kernel says: its lease, or another's. */
export function rejectionOf(
  owner: Owner,
  peer: PeerState | undefined,
  desired: DesiredState,
): string | undefined {
  if (peer?.mode === 'error') return peer.reason;
  const conflict = desired.conflictOf(owner);
  if (conflict === undefined) return peer?.reason;
  return `${conflict.key} belongs to ${nameOf(conflict.winner)}; only one host can have it`;
}

type Missing = readonly [ObjectKey, KernelObject];

function findMissing(owner: Owner, { desired, cached }: StatusInputs): readonly Missing[] {
  const missing: Missing[] = [];
  for (const wanted of desired.objectsOf(owner))
    if (!isInSync(wanted[1], cached?.objects.get(wanted[0]))) missing.push(wanted);
  return missing;
}

function findReason(
  missing: readonly Missing[],
  { desired, gate, cached, nowMs }: StatusInputs,
): string | undefined {
  for (const [key] of missing) {
    const failure = gate.failureOf(desired.ownerOf(key) ?? '');
    if (failure !== undefined) return describe(failure);
  }
  for (const [, object] of missing) {
    const device = deviceOf(object);
    if (object.kind === 'link' || cached === undefined) continue;
    if (gate.isDeviceDeferred(device, cached, nowMs)) return describeDevice(device, gate.failureOf(HOST));
  }
  return undefined;
}

function describe({ object, message }: Failure): string {
  return `${objectKey(object)}: ${message}`;
}

function describeDevice(device: string | undefined, failure: Failure | undefined): string {
  const cause = failure === undefined ? 'something else keeps changing it' : describe(failure);
  return `waits for ${device}: ${cause}`;
}

function nameOf(owner: Owner): string {
  return owner === HOST ? 'this host' : `the peer ${owner}`;
}

function error(reason: string): ComputedStatus {
  return { state: 'error', reason, isProgrammed: false };
}
