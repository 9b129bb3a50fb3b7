// Records what the kernel answered to steps: in the mirror if it did them, as a failure of whoever wanted them if it
// refused. Decides nothing about when to try again.
import type { Clock } from '../../lib/clock.ts';
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { Step, StepResult } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState, Owner } from './desired-state.ts';
import type { RetryGate } from './retry-gate.ts';
import type { Mirror } from './cached-state.ts';
import { deviceOf } from './object-device.ts';
import type { MutableCounters, Tell } from './reports.ts';

export interface StepRecorderParts {
  readonly desired: DesiredState;
  readonly holds: RetryGate;
  readonly counters: MutableCounters;
  readonly clock: Clock;
  readonly tell: Tell;
}

type Refused = Extract<StepResult, { status: 'rejected' }>;

/** What is left to do after a batch. */
export interface BatchOutcome {
  /** What the kernel said instead of answering, if it left a step open. */
  readonly open?: string;
  /** A device of ours was gone or down: not the fault of what was to lie on it. */
  readonly isDeviceGone?: boolean;
}

/** The device is not there, or not up (ip-route(8): "Nexthop device is not up"). */
const DEVICE_ERRORS: ReadonlySet<string> = new Set(['ENODEV', 'ENETDOWN']);
/** Batches in a row that may meet a missing device before it counts as a failure of what was refused. */
const PATIENCE = 3;

export class StepRecorder {
  readonly #parts: StepRecorderParts;
  readonly #replaceLinks = new Set<ObjectKey>();
  readonly #refusedSettings = new Set<ObjectKey>();
  #missedDevices = 0;

  constructor(parts: StepRecorderParts) {
    this.#parts = parts;
  }

  /** Links that the kernel would not change in place, to be made anew. */
  get replaceLinks(): ReadonlySet<ObjectKey> {
    return this.#replaceLinks;
  }

  /** Counts a setting that the kernel refused before, and that is not to be read, as done. */
  skipRejectedSetting(mirror: Mirror, setting: SettingObject): void {
    const key = objectKey(setting);
    if (this.#refusedSettings.has(key) && !mirror.objects.has(key)) mirror.record(key, setting);
  }

  /** Records all results of one batch. */
  record(mirror: Mirror, results: readonly StepResult[]): BatchOutcome {
    const failed = new Set<Owner>();
    const isDeviceGone = this.#isPatientWith(results);
    let open: string | undefined;
    for (const result of results)
      if (result.status === 'done') this.#onDone(mirror, result.step);
      else if (result.status === 'rejected') {
        if (!isDeviceGone || !this.#isForDevice(result)) this.#onRefusal(mirror, result, failed);
      } else {
        this.#parts.counters.failures++;
        open ??= result.message;
      }
    return open === undefined ? { isDeviceGone } : { open, isDeviceGone };
  }

  /** Somebody removed a device between its notice and our steps: everything is read again, and the device made first. */
  #isPatientWith(results: readonly StepResult[]): boolean {
    const isMissing = results.some((result) => result.status === 'rejected' && this.#isForDevice(result));
    this.#missedDevices = isMissing ? this.#missedDevices + 1 : 0;
    return isMissing && this.#missedDevices <= PATIENCE;
  }

  #isForDevice({ step: { object }, errno }: Refused): boolean {
    const isOnOurs = object.kind !== 'link' && this.#parts.desired.objects.has(`link ${deviceOf(object)}`);
    return isOnOurs && DEVICE_ERRORS.has(errno);
  }

  #onDone(mirror: Mirror, step: Step): void {
    const { action, object } = step;
    const key = objectKey(object);
    mirror.recordStep(step);
    this.#parts.counters.steps[object.kind][action]++;
    if (action === 'remove') this.#parts.holds.forgetOrphan(key);
    else if (object.kind === 'link') this.#replaceLinks.delete(key);
  }

  #onRefusal(mirror: Mirror, refused: Refused, failed: Set<Owner>): void {
    const { step, errno, message } = refused;
    const { object, action } = step;
    const key = objectKey(object);
    // Without its device there is no such setting; that is the device's failure.
    if (isSetting(object) && !failed.has(HOST)) return this.#onSettingRefusal(mirror, step, message);
    this.#parts.counters.failures++;
    // What is not there cannot be in the way: then the kernel knows no such device.
    const canReplace = action === 'set' && object.kind === 'link' && mirror.objects.has(key);
    const wantsReplacement = canReplace && errno === 'EOPNOTSUPP';
    if (wantsReplacement && !this.#replaceLinks.has(key)) {
      this.#replaceLinks.add(key);
      this.#parts.tell('LINK_REPLACED', 'warn', { object: key, message });
      return;
    }
    this.#replaceLinks.delete(key);
    this.#recordFailure(key, refused, failed);
  }

  /** A setting is best effort: without IPv6, or in a read-only /proc, the rest works all the same. */
  #onSettingRefusal(mirror: Mirror, step: Step, message: string): void {
    const key = objectKey(step.object);
    mirror.recordStep(step);
    if (this.#refusedSettings.has(key)) return;
    this.#refusedSettings.add(key);
    this.#parts.tell('SYSCTL_REFUSED', 'warn', { object: key, message });
  }

  /** The first refusal of an owner in one batch stands for all; the others usually follow from it. */
  #recordFailure(key: ObjectKey, { step, errno, message }: Refused, failed: Set<Owner>): void {
    const { desired, holds, clock, tell } = this.#parts;
    const owner = desired.ownerOf(key);
    if (failed.has(owner ?? key)) return;
    failed.add(owner ?? key);
    const failure = holds.recordRefusal(key, { object: step.object, errno, message }, clock.nowMs());
    if (failure.attempts > 1) return;
    const fields = { object: key, errno, message };
    if (owner === HOST) tell('HOST_FAILED', 'error', fields);
    else if (owner === undefined) tell('ORPHAN_REMOVE_FAILED', 'warn', fields);
    else tell('PEER_FAILED', 'warn', { peer: owner, ...fields });
  }
}
