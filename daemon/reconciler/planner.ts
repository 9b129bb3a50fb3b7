// Which steps lead from what the kernel holds to what is desired, and which of them may be taken now. Pure but for what it is
// given to look at; it takes none.
import { isSetting } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState } from './desired-state.ts';
import { diff, isInSync } from './diff.ts';
import type { RetryGate } from './retry-gate.ts';
import type { CachedState } from './cached-state.ts';
import type { Executor } from './executor.ts';

export interface PlannerDeps {
  readonly desired: DesiredState;
  readonly gate: RetryGate;
  readonly recorder: Pick<Executor, 'replaceLinks'>;
}

export class Planner {
  readonly #deps: PlannerDeps;

  constructor(parts: PlannerDeps) {
    this.#deps = parts;
  }

  /**
   * Steps for `keys`, or for everything.
   * @param isComplete - every peer has been set once: what nobody wants may be removed.
   */
  plan(cached: CachedState, nowMs: number, isComplete: boolean, keys?: readonly ObjectKey[]): Step[] {
    const { desired, gate, recorder } = this.#deps;
    const mayRemoveRules = this.#isFirewallInPlace(cached);
    const isDeferred = (object: KernelObject, key: ObjectKey): boolean =>
      (!desired.objects.has(key) && (!isComplete || (object.kind === 'firewall' && !mayRemoveRules))) ||
      gate.isDeferred(object, key, cached, nowMs);
    const { foreignLinks, objects } = cached;
    const options = { foreignLinks, replaceLinks: recorder.replaceLinks, isDeferred };
    return diff(desired.objects, objects, keys === undefined ? options : { ...options, keys });
  }

  /** Rules that waited for `batch`, which sets those that take their place. */
  obsoleteRules({ objects }: CachedState, batch: readonly Step[]): readonly ObjectKey[] {
    if (!batch.some(isRuleStep)) return [];
    const isObsolete = ([key, { kind }]: [ObjectKey, KernelObject]): boolean =>
      kind === 'firewall' && !this.#deps.desired.objects.has(key);
    return [...objects].filter(isObsolete).map(([key]) => key);
  }

  /** Rules that nobody wants stay until those that take their place stand: there is no moment without any. */
  #isFirewallInPlace({ objects }: CachedState): boolean {
    for (const [key, want] of this.#deps.desired.objectsOf(HOST))
      if (want.kind === 'firewall' && !isInSync(want, objects.get(key))) return false;
    return true;
  }
}

/**
 * Links go first and alone, with the addresses and sysctls that follow them: nothing can be put on a device that could
 * not be made, and what a link step did to the rest is known only after reading.
 */
export function firstBatch(steps: readonly Step[]): readonly Step[] {
  const firstEntry = steps.findIndex(({ object }) => !isHostKind(object));
  const head = firstEntry < 0 ? steps : steps.slice(0, firstEntry);
  return head.some(({ object }) => object.kind === 'link') ? head : steps;
}

function isRuleStep({ action, object }: Step): boolean {
  return action === 'set' && object.kind === 'firewall';
}

function isHostKind(object: KernelObject): boolean {
  return object.kind === 'link' || object.kind === 'address' || isSetting(object);
}
