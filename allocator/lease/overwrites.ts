// Overwrites of the own key by another program, and when to answer the last one: at once the first
// time, then with back-off, since two hosts with one public address would otherwise overwrite each
// other without end. Pure.
import { backoffDelayMs } from '../../lib/backoff.ts';
import type { Revision } from '../registry/registry.ts';
import type { Now } from '../../lib/clock.ts';

export interface Overwrites {
  /** Overwrites in a row, without a calm time between them. */
  readonly count: number;
  /** When the answer to the last one is due. */
  readonly dueMs: number;
  readonly lastRevision: Revision | undefined;
  readonly lastMs: number;
}

export const NO_OVERWRITES: Overwrites = { count: 0, dueMs: 0, lastRevision: undefined, lastMs: 0 };

const BACKOFF = { baseMs: 2000, capMs: 300_000 };
/** Overwrites this far apart are independent. */
const CALM_MS = 900_000;

/** Records an overwrite once for each revision: the same object comes back for a known one. */
export function recordOverwrite(overwrites: Overwrites, revision: Revision, now: Now): Overwrites {
  if (revision === overwrites.lastRevision) return overwrites;
  const count = now.ms - overwrites.lastMs > CALM_MS ? 0 : overwrites.count;
  const dueMs = count === 0 ? now.ms : now.ms + backoffDelayMs(BACKOFF, count - 1, now.jitter);
  return { count: count + 1, dueMs, lastRevision: revision, lastMs: now.ms };
}
