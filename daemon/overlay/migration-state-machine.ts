// Migration of this host between transports, for a change of VNI, port or backend while everything
// runs: `next` takes a state and an event to the next state and its effects. Pure.
// migration-state.ts describes the states.
import type { MigrationEffect, MigrationEvent, Observation, Transition } from './migration-events.ts';
import { dropUnusable, learn, remember, start, want } from './migration-inputs.ts';
import {
  asDraining,
  asLeaving,
  asRemoving,
  baseOf,
  SETTLE_MS,
  wantedOf,
  type MigrationState,
} from './migration-state.ts';

const DERIVE: MigrationEffect = { kind: 'derive' };
const PUBLISH: MigrationEffect = { kind: 'publish' };
const REPORT: MigrationEffect = { kind: 'report-state' };

export function next(state: MigrationState, event: MigrationEvent, nowMs: number): Transition {
  switch (event.kind) {
    case 'started':
      return { state: start(state, event.published, event.canUse, nowMs), effects: [DERIVE] };
    case 'backend-changed': {
      const changed = dropUnusable(want(state, event.backend, nowMs), event.canUse);
      const isReported = changed.state.kind !== state.kind;
      return { state: changed.state, effects: [...changed.effects, ...(isReported ? [REPORT] : []), DERIVE] };
    }
    case 'host-changed': {
      const changed = dropUnusable(state, event.canUse);
      return { state: changed.state, effects: [...changed.effects, DERIVE] };
    }
    case 'peers-changed': {
      const learned = learn(state, event.leases, event.canUse);
      return { state: learned, effects: learned === state ? [] : [DERIVE] };
    }
    case 'attributes-derived':
      return { state: remember(state, event.attributes), effects: [] };
    case 'observed':
      return observe(state, event, nowMs);
  }
}

// ---- observations ----

function observe(state: MigrationState, seen: Observation, nowMs: number): Transition {
  const isTimedOut = state.timeoutMs > 0 && nowMs >= state.wantedSinceMs + state.timeoutMs;
  switch (state.kind) {
    case 'steady':
      return unchanged(state);
    case 'preparing':
      if (!seen.isSettled) return unchanged(state);
      return seen.blocker === undefined ? announceWanted(state) : block(state, seen.blocker);
    case 'leaving':
      if (!isTimedOut && (!seen.isSettled || seen.behind > 0)) return unchanged(state);
      return { state: asDraining(state), effects: [PUBLISH, REPORT] };
    case 'draining':
      return drain(state, seen, { isTimedOut, nowMs });
    case 'removing':
      return seen.isSettled ? end(state) : unchanged(state);
  }
}

function announceWanted(state: MigrationState): Transition {
  const advertised = new Set(state.advertised).add(wantedOf(state).id);
  return { state: { ...asLeaving(state), advertised }, effects: [DERIVE, PUBLISH, REPORT] };
}

function block(state: Extract<MigrationState, { kind: 'preparing' }>, blocker: string): Transition {
  if (state.blocker === blocker) return unchanged(state);
  return { state: { ...state, blocker }, effects: [{ kind: 'report-blocker', blocker }] };
}

function drain(
  state: Extract<MigrationState, { kind: 'draining' }>,
  seen: Observation,
  { isTimedOut, nowMs }: { readonly isTimedOut: boolean; readonly nowMs: number },
): Transition {
  if (seen.behind > 0 && !isTimedOut) return { state: asLeaving(state), effects: [DERIVE, PUBLISH, REPORT] };
  if (!seen.isPublished || (seen.pending > 0 && !isTimedOut))
    return { state: asDraining(state), effects: seen.isPublished ? [] : [PUBLISH] };
  const { quietSinceMs = nowMs } = state;
  if (nowMs < quietSinceMs + SETTLE_MS) return unchanged({ ...state, quietSinceMs });
  const dropped = state.known.slice(1).map(({ id }) => id);
  const abandoned = seen.pending > 0 ? new Set([...state.abandoned, ...dropped]) : state.abandoned;
  return { state: { ...asRemoving(state), abandoned }, effects: [DERIVE, REPORT] };
}

function end(state: MigrationState): Transition {
  const advertised = new Set([wantedOf(state).id]);
  return { state: { ...baseOf(state), advertised, kind: 'steady' }, effects: [PUBLISH, REPORT] };
}

function unchanged(state: MigrationState): Transition {
  return { state, effects: [] };
}
