// Events of the reconciler: a closed union. The log and the control socket observe them; the
// reconciler never reads them.
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { Owner } from './desired-state.ts';

/** The step that the kernel rejected, and why. */
interface StepError {
  readonly object: ObjectKey;
  readonly errno: string;
  /** The kernel's text: errno and extended ack. For people only. */
  readonly message: string;
}

export type ReconcilerEvent =
  /**
   * Another program changed or removed managed objects; repair follows. `objects` names the first
   * few of `count`.
   */
  | { readonly kind: 'drift-detected'; readonly count: number; readonly objects: readonly ObjectKey[] }
  /** Changed objects are as desired again, `ms` after the first change was detected. */
  | {
      readonly kind: 'drift-repaired';
      readonly count: number;
      readonly objects: readonly ObjectKey[];
      readonly ms: number;
    }
  /** Another program keeps changing an object; its repairs are rate-limited from now on. */
  | { readonly kind: 'object-contested'; readonly object: ObjectKey }
  /** Removal of objects that no owner wants: of an earlier run, or of a removed peer. */
  | { readonly kind: 'orphans-removed'; readonly count: number; readonly objects: readonly ObjectKey[] }
  | ({ readonly kind: 'orphan-remove-failed' } & StepError)
  /** A peer's lease, or its conflict with another lease, prevents programming it. */
  | { readonly kind: 'peer-rejected'; readonly peer: Owner; readonly reason: string }
  /** Further rejected peers of one run, unnamed. */
  | { readonly kind: 'more-peers-rejected'; readonly more: number }
  | ({ readonly kind: 'peer-failed'; readonly peer: Owner } & StepError)
  | { readonly kind: 'peer-recovered'; readonly peer: Owner }
  /** A device of this host cannot be created or changed. */
  | ({ readonly kind: 'link-failed'; readonly device: string } & StepError)
  /** Another object of this host (address, route, firewall rules) cannot be set. */
  | ({ readonly kind: 'host-failed' } & StepError)
  | { readonly kind: 'host-recovered' }
  /** The kernel rejects a change of a link in place; the link is re-created. */
  | { readonly kind: 'link-replaced'; readonly object: ObjectKey; readonly message: string }
  /** The kernel rejects a sysctl or an offload; everything else works without it. */
  | { readonly kind: 'setting-rejected'; readonly object: ObjectKey; readonly message: string }
  /** The kernel's state cannot be read; reported once for several failures in a row. */
  | { readonly kind: 'read-failed'; readonly error: unknown }
  /** The kernel left steps unanswered, `times` batches in a row. */
  | { readonly kind: 'steps-unanswered'; readonly message: string; readonly times: number };

export type ReconcilerEventKind = ReconcilerEvent['kind'];
