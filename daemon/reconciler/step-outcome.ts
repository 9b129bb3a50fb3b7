// The outcome of one step, as the executor classifies the kernel's answer: a closed union. Cache,
// retry gate, status and counters each record what concerns them.
import type { Step } from '../kernel/kernel.ts';
import type { Owner } from './desired-state.ts';

export type StepOutcome =
  /** The kernel acknowledged the step. */
  | { readonly kind: 'applied'; readonly step: Step }
  /**
   * The kernel rejected a setting, which is best effort and counts as done. `isFirst`: not rejected
   * before.
   */
  | {
      readonly kind: 'setting-rejected';
      readonly step: Step;
      readonly message: string;
      readonly isFirst: boolean;
    }
  /** The kernel rejected a change in place; the next plan removes and re-creates the link. */
  | { readonly kind: 'link-replaced'; readonly step: Step; readonly message: string }
  /** The first rejected step of an owner (unset: of an orphan) in its batch. */
  | {
      readonly kind: 'failed';
      readonly step: Step;
      readonly owner: Owner | undefined;
      readonly errno: string;
      readonly message: string;
    }
  /** A later rejected step of an owner that failed in the same batch; mostly a consequence. */
  | { readonly kind: 'failed-too'; readonly step: Step }
  /** A device of ours vanished or is down; the next read plans it first. */
  | { readonly kind: 'device-missing'; readonly step: Step }
  /** No answer; the object's state is unknown until the next read. */
  | { readonly kind: 'unanswered'; readonly step: Step; readonly message: string };

/** Whether the step took effect, or counts as such. */
export function isDone({ kind }: StepOutcome): boolean {
  return kind === 'applied' || kind === 'setting-rejected';
}
