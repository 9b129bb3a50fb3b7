// The state of the host or of one peer: in sync, pending, or in error with its reason. Pure.
import type { PeerState } from '../../../backends/backend.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import { HOST } from '../desired-state.ts';
import type { Owner } from '../desired-state.ts';
import { isInSync } from '../diff.ts';
import type { Failure } from '../queue/failures.ts';
import { deviceOf } from '../object-device.ts';
import { isDeviceDeferred } from '../planner.ts';
import type { SyncState } from './status.ts';
import type { DesiredView, View } from '../view.ts';

export interface ComputedStatus {
  readonly state: SyncState;
  readonly reason?: string;
  /** Whether the kernel holds all that the owner wants. */
  readonly isProgrammed: boolean;
}

/**
 * Computes one owner's state; `peer` is unset for the host. Cost: the owner's number of objects.
 */
export function computeStatus(owner: Owner, peer: PeerState | undefined, view: View): ComputedStatus {
  const rejection = rejectionOf(owner, peer, view.desired);
  // A peer with objects and a reason has one rejected address family; the other one works.
  const isWhole = peer?.mode === 'error' || rejection !== peer?.reason;
  if (rejection !== undefined && isWhole) return error(rejection);
  const missing = findMissing(owner, view);
  if (missing.length > 0) {
    const reason = findReason(missing, view);
    return reason === undefined ? { state: 'pending', isProgrammed: false } : error(reason);
  }
  if (view.cached === undefined) return { state: 'pending', isProgrammed: false };
  if (rejection !== undefined) return { state: 'error', reason: rejection, isProgrammed: true };
  return { state: 'in-sync', isProgrammed: true };
}

/** Why an owner, or one family of it, is not programmed at all: its lease, or another's; if so. */
export function rejectionOf(
  owner: Owner,
  peer: PeerState | undefined,
  desired: DesiredView,
): string | undefined {
  if (peer?.mode === 'error') return peer.reason;
  const conflict = desired.conflictOf(owner);
  if (conflict === undefined) return peer?.reason;
  return `${conflict.key} belongs to ${nameOf(conflict.winner)}; only one host can have it`;
}

type Missing = readonly [ObjectKey, KernelObject];

function findMissing(owner: Owner, { desired, cached }: View): readonly Missing[] {
  const missing: Missing[] = [];
  for (const wanted of desired.objectsOf(owner))
    if (!isInSync(wanted[1], cached?.objects.get(wanted[0]))) missing.push(wanted);
  return missing;
}

function findReason(missing: readonly Missing[], view: View): string | undefined {
  const { desired, gate, cached } = view;
  for (const [key] of missing) {
    const failure = gate.failureOf(desired.ownerOf(key) ?? '');
    if (failure !== undefined) return describe(failure);
  }
  if (cached === undefined) return undefined;
  for (const [, object] of missing) {
    const device = deviceOf(object);
    if (object.kind !== 'link' && isDeviceDeferred({ ...view, cached }, device))
      return describeDevice(device, gate.failureOf(HOST));
  }
  return undefined;
}

function describe({ object, message }: Failure): string {
  return `${objectKey(object)}: ${message}`;
}

function describeDevice(device: string | undefined, failure: Failure | undefined): string {
  const cause = failure === undefined ? 'another program keeps changing it' : describe(failure);
  return `waits for ${device}: ${cause}`;
}

function nameOf(owner: Owner): string {
  return owner === HOST ? 'this host' : `the peer ${owner}`;
}

function error(reason: string): ComputedStatus {
  return { state: 'error', reason, isProgrammed: false };
}
