// Read-only inputs of the pure parts (planner, drift, status): desired state, cached state and
// retry gate, and the time.
import type { CachedState } from './cache/cached-state.ts';
import type { DesiredState } from './desired-state.ts';
import type { RetryGate } from './queue/retry-gate.ts';

export type DesiredView = Pick<
  DesiredState,
  'objects' | 'objectsOf' | 'ownerOf' | 'claimantsOf' | 'conflictOf' | 'isComplete'
>;
export type CachedView = Pick<CachedState, 'objects' | 'foreignLinks'>;
export type RetryView = Pick<RetryGate, 'isWaiting' | 'isCoolingDown' | 'failureOf'>;

export interface View {
  readonly desired: DesiredView;
  /** Unset before the first read. */
  readonly cached: CachedView | undefined;
  readonly gate: RetryView;
  readonly nowMs: number;
}

/** A {@link View} after the first read. */
export type KnownView = View & { readonly cached: CachedView };
