// The mirror of the kernel and how it is kept true: full reads, acknowledged steps, and notices, also those that arrive
// while a read or a batch of steps is under way. Decides nothing about what should be.
import type { Ownership } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SysctlObject } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { Kernel, Step, StepResult } from '../kernel/kernel.ts';
import { Mirror } from './mirror.ts';

/** Keys that are being read or changed just now, and the last word of the notices about each of them meanwhile. */
interface InFlight {
  /** Unset while everything is being read, or may change with a device. */
  readonly keys?: ReadonlySet<ObjectKey>;
  readonly notices: Map<ObjectKey, ActualObject | undefined>;
  readonly isChangingLinks: boolean;
}

/** What notices said while steps were under way. */
export type LateNotices = ReadonlyMap<ObjectKey, ActualObject | undefined>;

export class KernelView {
  readonly #kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'apply'>;
  #mirror: Mirror | undefined;
  #inFlight: InFlight | undefined;

  constructor(kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'apply'>) {
    this.#kernel = kernel;
  }

  /** Unset before the first read. */
  get mirror(): Mirror | undefined {
    return this.#mirror;
  }

  /** Whether steps on devices are under way; a full read must follow them. */
  get isChangingLinks(): boolean {
    return this.#inFlight?.isChangingLinks === true;
  }

  /** From now on `mirror` is what the kernel holds. */
  replace(mirror: Mirror): void {
    this.#mirror = mirror;
  }

  /**
   * Records a notice. Returns false if it has to wait: a notice may overtake the answer to our own step or follow it, so
   * what it means is known only when that answer is here.
   */
  record(key: ObjectKey, object: ActualObject | undefined): boolean {
    const { keys, notices } = this.#inFlight ?? {};
    if (notices !== undefined && (keys === undefined || keys.has(key))) {
      notices.set(key, object);
      return false;
    }
    this.#mirror?.record(key, object);
    return this.#mirror !== undefined;
  }

  /**
   * Reads all that `ownership` covers, and the `sysctls`, which are in no table. What notices said meanwhile is later
   * than what was read, or the same. @throws what the kernel door throws.
   */
  async read(ownership: Ownership, sysctls: readonly SysctlObject[]): Promise<Mirror> {
    const notices = new Map<ObjectKey, ActualObject | undefined>();
    this.#inFlight = { notices, isChangingLinks: false };
    try {
      const mirror = new Mirror(await this.#kernel.readState(ownership));
      for (const sysctl of sysctls) {
        const value = await this.#kernel.readSysctl(sysctl.path).catch(() => undefined);
        if (value !== undefined) mirror.record(objectKey(sysctl), { ...sysctl, value });
      }
      for (const [key, object] of notices) mirror.record(key, object);
      return mirror;
    } finally {
      this.#inFlight = undefined;
    }
  }

  /**
   * Applies `steps`, hands over the results, and returns the notices that came for the same objects meanwhile. None are
   * returned if a link is among them: its entries come and go with it, and only a full read tells what is left.
   */
  async apply(
    steps: readonly Step[],
    onResults: (results: readonly StepResult[]) => void,
  ): Promise<LateNotices> {
    const keys = new Set(steps.map(({ object }) => objectKey(object)));
    const notices = new Map<ObjectKey, ActualObject | undefined>();
    const isChangingLinks = steps.some(({ object }) => object.kind === 'link');
    this.#inFlight = isChangingLinks ? { notices, isChangingLinks } : { keys, notices, isChangingLinks };
    const results = await this.#send(steps);
    this.#inFlight = undefined;
    onResults(results);
    return isChangingLinks ? new Map() : notices;
  }

  async #send(steps: readonly Step[]): Promise<readonly StepResult[]> {
    try {
      return await this.#kernel.apply(steps);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return steps.map((step) => ({ step, ok: 'unknown', message }));
    }
  }
}
