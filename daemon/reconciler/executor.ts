// Records what the kernel answered to steps: in the cached if it did them, as a failure of whoever wanted them if it
// refused. Decides nothing about when to try again.
import type { Clock } from '../../lib/clock.ts';
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { Step, StepResult } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState, Owner } from './desired-state.ts';
import type { RetryGate } from './retry-gate.ts';
import type { CachedState } from './cached-state.ts';
import { deviceOf } from './object-device.ts';
import type { MutableCounters, Emit } from './status.ts';

export interface ExecutorDeps {
  readonly desired: DesiredState;
  readonly gate: RetryGate;
  readonly counters: MutableCounters;
  readonly clock: Clock;
  readonly emit: Emit;
}

type Rejected = Extract<StepResult, { status: 'rejected' }>;

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
const MAX_MISSING_DEVICE_BATCHES = 3;

export class Executor {
  readonly #deps: ExecutorDeps;
  readonly #replaceLinks = new Set<ObjectKey>();
  readonly #rejectedSettings = new Set<ObjectKey>();
  #missedDevices = 0;

  constructor(parts: ExecutorDeps) {
    this.#deps = parts;
  }

  /** Links that the kernel would not change in place, to be made anew. */
  get replaceLinks(): ReadonlySet<ObjectKey> {
    return this.#replaceLinks;
  }

  /** Counts a setting that the kernel refused before, and that is not to be read, as done. */
  skipRejectedSetting(cached: CachedState, setting: SettingObject): void {
    const key = objectKey(setting);
    if (this.#rejectedSettings.has(key) && !cached.objects.has(key)) cached.record(key, setting);
  }

  /** Records all results of one batch. */
  record(cached: CachedState, results: readonly StepResult[]): BatchOutcome {
    const failed = new Set<Owner>();
    const isDeviceGone = this.#tolerates(results);
    let open: string | undefined;
    for (const result of results)
      if (result.status === 'done') this.#onDone(cached, result.step);
      else if (result.status === 'rejected') {
        if (!isDeviceGone || !this.#isForDevice(result)) this.#onRejection(cached, result, failed);
      } else {
        this.#deps.counters.failures++;
        open ??= result.message;
      }
    return open === undefined ? { isDeviceGone } : { open, isDeviceGone };
  }

  /** Somebody removed a device between its notice and our steps: everything is read again, and the device made first. */
  #tolerates(results: readonly StepResult[]): boolean {
    const isMissing = results.some((result) => result.status === 'rejected' && this.#isForDevice(result));
    this.#missedDevices = isMissing ? this.#missedDevices + 1 : 0;
    return isMissing && this.#missedDevices <= MAX_MISSING_DEVICE_BATCHES;
  }

  #isForDevice({ step: { object }, errno }: Rejected): boolean {
    const isOnOurs = object.kind !== 'link' && this.#deps.desired.objects.has(`link ${deviceOf(object)}`);
    return isOnOurs && DEVICE_ERRORS.has(errno);
  }

  #onDone(cached: CachedState, step: Step): void {
    const { action, object } = step;
    const key = objectKey(object);
    cached.recordStep(step);
    this.#deps.counters.steps[object.kind][action]++;
    if (action === 'remove') this.#deps.gate.forgetOrphan(key);
    else if (object.kind === 'link') this.#replaceLinks.delete(key);
  }

  #onRejection(cached: CachedState, refused: Rejected, failed: Set<Owner>): void {
    const { step, errno, message } = refused;
    const { object, action } = step;
    const key = objectKey(object);
    // Without its device there is no such setting; that is the device's failure.
    if (isSetting(object) && !failed.has(HOST)) return this.#onSettingRejection(cached, step, message);
    this.#deps.counters.failures++;
    // What is not there cannot be in the way: then the kernel knows no such device.
    const canReplace = action === 'set' && object.kind === 'link' && cached.objects.has(key);
    const wantsReplacement = canReplace && errno === 'EOPNOTSUPP';
    if (wantsReplacement && !this.#replaceLinks.has(key)) {
      this.#replaceLinks.add(key);
      this.#deps.emit('LINK_REPLACED', 'warn', { object: key, message });
      return;
    }
    this.#replaceLinks.delete(key);
    this.#recordFailure(key, refused, failed);
  }

  /** A setting is best effort: without IPv6, or in a read-only /proc, the rest works all the same. */
  #onSettingRejection(cached: CachedState, step: Step, message: string): void {
    const key = objectKey(step.object);
    cached.recordStep(step);
    if (this.#rejectedSettings.has(key)) return;
    this.#rejectedSettings.add(key);
    this.#deps.emit('SYSCTL_REJECTED', 'warn', { object: key, message });
  }

  /** The first refusal of an owner in one batch stands for all; the others usually follow from it. */
  #recordFailure(key: ObjectKey, { step, errno, message }: Rejected, failed: Set<Owner>): void {
    const { desired, gate, clock, emit } = this.#deps;
    const owner = desired.ownerOf(key);
    if (failed.has(owner ?? key)) return;
    failed.add(owner ?? key);
    const failure = gate.recordRejection(key, { object: step.object, errno, message }, clock.nowMs());
    if (failure.attempts > 1) return;
    const fields = { object: key, errno, message };
    if (owner === HOST) emit('HOST_FAILED', 'error', fields);
    else if (owner === undefined) emit('ORPHAN_REMOVE_FAILED', 'warn', fields);
    else emit('PEER_FAILED', 'warn', { peer: owner, ...fields });
  }
}
