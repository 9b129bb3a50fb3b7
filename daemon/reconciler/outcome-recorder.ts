// Records what became of batches, and what other programs changed: in cache, gate and status what is known now, in the queue what
// follows from it. Plans and sends nothing.
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import { isAsDesired } from './drift-detector.ts';
import { obsoleteLeads, obsoleteRules } from './planner.ts';
import type { ReconcilerParts } from './reconciler-parts.ts';
import type { StepOutcome } from './step-outcome.ts';
import type { KnownView, View } from './view.ts';

/** Steps without their outcomes. */
export interface SentBatch {
  readonly view: KnownView;
  readonly steps: readonly Step[];
  readonly outcomes: Promise<readonly StepOutcome[]>;
}

/** Everything as it is known now. */
export function viewOf({ cache, clock, desired, gate }: ReconcilerParts): View {
  return { desired, cached: cache.state, gate, nowMs: clock.nowMs() };
}

export class OutcomeRecorder {
  readonly #parts: ReconcilerParts;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  /** Waits for the outcomes of a batch, if there is one. */
  async record(sent: SentBatch | undefined): Promise<void> {
    if (sent === undefined) return;
    const { cache, clock, queue, status } = this.#parts;
    const { view, steps } = sent;
    const outcomes = await sent.outcomes;
    const changed = cache.endBatch(outcomes);
    this.#recordOutcomes(outcomes);
    const keys = steps.map(({ object }) => objectKey(object));
    this.markStale(keys);
    this.onChanged(changed);
    queue.add([...obsoleteRules(view, steps), ...obsoleteLeads(view, steps)]);
    status.checkRepairs(viewOf(this.#parts), keys);
    const isMissing = outcomes.some(({ kind }) => kind === 'device-missing');
    if (isMissing || steps.some(({ object }) => object.kind === 'link'))
      queue.requestResync('link', clock.nowMs());
    this.#recordAnswers(outcomes);
  }

  #recordOutcomes(outcomes: readonly StepOutcome[]): void {
    const { clock, gate, status } = this.#parts;
    for (const outcome of outcomes) status.onOutcome(outcome, gate.recordOutcome(outcome, clock.nowMs()));
  }

  #recordAnswers(outcomes: readonly StepOutcome[]): void {
    const { clock, queue, status } = this.#parts;
    const open = outcomes.find((outcome) => outcome.kind === 'unanswered');
    if (open === undefined) queue.onAnswered();
    // A failure takes the answers of all that is at the kernel.
    else if (!queue.awaitsAnswer) status.onUnanswered(open.message, queue.onUnanswered(clock.nowMs()));
  }

  /** Queues the repair of those of `keys`, changed by other programs, that are not as desired. */
  onChanged(keys: Iterable<ObjectKey>): void {
    const view = viewOf(this.#parts);
    for (const key of keys) if (!this.#parts.queue.isDirty(key) && !isAsDesired(view, key)) this.onDrift(key);
  }

  onDrift(key: ObjectKey): void {
    const { cache, clock, desired, executor, gate, queue, status } = this.#parts;
    const object = desired.objects.get(key) ?? cache.state?.objects.get(key);
    if (object === undefined) return;
    // Its device got the file only now: the kernel's own value, and no other program's.
    if (isSetting(object) && executor.isRejected(object)) return queue.add([key]);
    const nowMs = clock.nowMs();
    const { mustWait, isFirst } = gate.recordDrift(key, nowMs);
    status.onDrift({ key, object, isContested: isFirst, nowMs });
    this.markStale([key]);
    if (!mustWait) queue.add([key]);
  }

  markStale(keys: Iterable<ObjectKey>): void {
    for (const key of keys) this.#parts.status.markStale(this.#parts.desired.claimantsOf(key));
  }
}
