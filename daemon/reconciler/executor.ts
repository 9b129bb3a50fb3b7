// Applies a batch of steps and classifies the kernel's answers as typed outcomes. Owns what the
// answers say about later batches: links to re-create, settings that the kernel rejects, devices
// that keep vanishing. Knows nothing of retries.
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { Kernel, Step, StepResult } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import { deviceOf } from './object-device.ts';
import type { StepOutcome } from './step-outcome.ts';
import type { KnownView } from './view.ts';

type Rejected = Extract<StepResult, { status: 'rejected' }>;

/** Kernel errors of a device that is missing or down (ip-route(8): "Nexthop device is not up"). */
const DEVICE_ERRORS: ReadonlySet<string> = new Set(['ENODEV', 'ENETDOWN']);
/** Errors of a file below /proc/sys that this process may not write. */
const READ_ONLY_ERRORS: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM']);
/** Plans in a row in which a missing device is no failure of the objects on it. */
const MAX_MISSING_DEVICE_PLANS = 3;

/** The present batch, as far as its results are classified. */
interface Batch {
  readonly view: KnownView;
  readonly toleratesMissingDevice: boolean;
  /** Owners, and orphans by key, with a failed step. */
  readonly failed: Set<string>;
  /** Links that the steps so far removed or renamed. */
  readonly removedLinks: Set<ObjectKey>;
}

export class Executor {
  readonly #kernel: Pick<Kernel, 'apply'>;
  readonly #replaceLinks = new Set<ObjectKey>();
  /** With the error; until the setting is applied. */
  readonly #rejectedSettings = new Map<ObjectKey, string>();
  #missingDevicePlans = 0;
  /** The last plan in which a device was missing, by its failures. */
  #lastMissing: ReadonlySet<string> | undefined;

  constructor(kernel: Pick<Kernel, 'apply'>) {
    this.#kernel = kernel;
  }

  /** Links that the kernel did not change in place; they are to be re-created. */
  get replaceLinks(): ReadonlySet<ObjectKey> {
    return this.#replaceLinks;
  }

  /** Whether the kernel rejected `setting` and did not apply it since. */
  isRejected(setting: SettingObject): boolean {
    return this.#rejectedSettings.has(objectKey(setting));
  }

  /** Whether `setting` exists and this process may not write it. */
  isReadOnly(setting: SettingObject): boolean {
    return READ_ONLY_ERRORS.has(this.#rejectedSettings.get(objectKey(setting)) ?? '');
  }

  /**
   * Applies `steps` to the state of `view`. Returns one outcome a step, in order; never rejects.
   * @param failed - owners, and orphans by key, with a failed step in an earlier batch of the same plan.
   */
  async execute(
    steps: readonly Step[],
    view: KnownView,
    failed = new Set<string>(),
  ): Promise<readonly StepOutcome[]> {
    const results = await this.#send(steps);
    const toleratesMissingDevice = this.#tolerates(results, view, failed);
    const batch: Batch = { view, toleratesMissingDevice, failed, removedLinks: new Set() };
    return results.map((result) => this.#classify(result, batch));
  }

  async #send(steps: readonly Step[]): Promise<readonly StepResult[]> {
    try {
      return await this.#kernel.apply(steps);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return steps.map((step) => ({ step, status: 'unknown', message }));
    }
  }

  /**
   * Another program removed a device between its notification and the steps: read and plan again.
   */
  #tolerates(results: readonly StepResult[], view: KnownView, plan: ReadonlySet<string>): boolean {
    const isMissing = results.some((result) => result.status === 'rejected' && isForDevice(result, view));
    if (!isMissing) this.#missingDevicePlans = 0;
    // Of two batches of a plan that are at the kernel both meet it.
    else if (this.#lastMissing !== plan) this.#missingDevicePlans++;
    this.#lastMissing = isMissing ? plan : undefined;
    return isMissing && this.#missingDevicePlans <= MAX_MISSING_DEVICE_PLANS;
  }

  #classify(result: StepResult, batch: Batch): StepOutcome {
    const { step } = result;
    if (result.status === 'done') return this.#onApplied(step, batch);
    if (result.status === 'unknown') return { kind: 'unanswered', step, message: result.message };
    if (batch.toleratesMissingDevice && isForDevice(result, batch.view))
      return { kind: 'device-missing', step };
    // Without its device a setting does not exist; that is the device's failure.
    if (isSetting(step.object) && !batch.failed.has(HOST))
      return this.#onSettingRejected(result, step.object);
    return this.#onRejected(result, batch);
  }

  #onApplied(step: Step, { removedLinks }: Batch): StepOutcome {
    const { action, object } = step;
    if (isSetting(object)) this.#rejectedSettings.delete(objectKey(object));
    if (object.kind !== 'link') return { kind: 'applied', step };
    const key = objectKey(object);
    if (action === 'remove') removedLinks.add(key);
    else {
      this.#replaceLinks.delete(key);
      if (step.current !== undefined) removedLinks.add(objectKey(step.current));
      removedLinks.delete(key);
    }
    return { kind: 'applied', step };
  }

  /**
   * A setting is best effort: without IPv6, or with a read-only /proc, the overlay works without
   * it.
   */
  #onSettingRejected({ step, errno, message }: Rejected, setting: SettingObject): StepOutcome {
    const isFirst = !this.isRejected(setting);
    this.#rejectedSettings.set(objectKey(setting), errno);
    return { kind: 'setting-rejected', step, message, isFirst };
  }

  #onRejected(rejected: Rejected, batch: Batch): StepOutcome {
    const { step, errno, message } = rejected;
    const key = objectKey(step.object);
    if (isReplaceable(rejected, batch) && !this.#replaceLinks.has(key)) {
      this.#replaceLinks.add(key);
      return { kind: 'link-replaced', step, message };
    }
    this.#replaceLinks.delete(key);
    // A peer that came back meanwhile has not failed: its former removal has.
    const isFormer = step.action === 'remove' && step.object.kind === 'command';
    const owner = isFormer ? undefined : batch.view.desired.ownerOf(key);
    if (batch.failed.has(owner ?? key)) return { kind: 'failed-too', step };
    batch.failed.add(owner ?? key);
    // The kernel has such devices, and another one is there once more.
    const why = rejected.hasOtherDevice === true ? 'EEXIST' : errno;
    return { kind: 'failed', step, owner, errno: why, message };
  }
}

/**
 * Whether `step` sets a link whose name another one has. Another program may have made it since the last notification.
 * EOPNOTSUPP for a link that does not exist means that the kernel has no such type of device.
 */
function isReplaceable({ step, errno, hasOtherDevice }: Rejected, { view, removedLinks }: Batch): boolean {
  if (step.action !== 'set' || step.object.kind !== 'link') return false;
  const key = objectKey(step.object);
  const isKnown = view.cached.objects.has(key) && !removedLinks.has(key);
  return hasOtherDevice === true || (isKnown && errno === 'EOPNOTSUPP');
}

function isForDevice({ step: { object }, errno }: Rejected, { desired }: KnownView): boolean {
  const isOnOurs = object.kind !== 'link' && desired.objects.has(`link ${deviceOf(object)}`);
  return isOnOurs && DEVICE_ERRORS.has(errno);
}
