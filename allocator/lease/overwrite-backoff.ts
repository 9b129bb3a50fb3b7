// How soon to write the own key again after somebody else wrote to it. At once the first time; then ever more slowly, as
// two hosts that publish the same public address would otherwise answer each other for ever.
import { Backoff } from '../../lib/backoff.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Revision } from '../registry/registry.ts';

const BASE_MS = 2000;
const CAP_MS = 300_000;
/** Overwrites so far apart are no fight. */
const CALM_MS = 900_000;

export class OverwriteBackoff {
  readonly #backoff: Backoff;
  #lastRevision: Revision | undefined;
  #lastMs = 0;
  #dueMs = 0;
  #count = 0;

  constructor(random: Random) {
    this.#backoff = new Backoff({ baseMs: BASE_MS, capMs: CAP_MS, random });
  }

  /** Overwrites in a row, without a calm time between them. */
  get count(): number {
    return this.#count;
  }

  /** When the answer to the last overwrite is due. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Takes note of an overwrite, once for each revision; returns whether it was news. */
  note(revision: Revision, nowMs: number): boolean {
    if (revision === this.#lastRevision) return false;
    if (nowMs - this.#lastMs > CALM_MS) {
      this.#backoff.reset();
      this.#count = 0;
    }
    this.#dueMs = this.#count === 0 ? nowMs : nowMs + this.#backoff.nextMs();
    this.#count++;
    this.#lastRevision = revision;
    this.#lastMs = nowMs;
    return true;
  }
}
