// Which slots of 0..size-1 are free, when a few thousand of up to 2^48 are not. Keeps the taken
// ones as sorted runs, so that it costs what is taken and never what is free. Knows nothing of
// addresses.

/** Slots `first` to `last`, both included. */
export interface SlotRun {
  readonly first: number;
  readonly last: number;
}

export class FreeSlots {
  /** Slots altogether. */
  readonly size: number;
  /** Free slots. */
  readonly count: number;
  /** Taken, sorted, disjoint, clipped to the slots. */
  readonly #runs: readonly SlotRun[];
  /** How many slots are free before each run. */
  readonly #freeBefore: readonly number[];

  /** `taken` may come in any order, overlap and reach beyond the slots. */
  constructor(size: number, taken: Iterable<SlotRun>) {
    this.size = size;
    this.#runs = mergeRuns(size, taken);
    const freeBefore: number[] = [];
    let takenSlots = 0;
    for (const { first, last } of this.#runs) {
      freeBefore.push(first - takenSlots);
      takenSlots += last - first + 1;
    }
    this.#freeBefore = freeBefore;
    this.count = size - takenSlots;
  }

  isFree(slot: number): boolean {
    const run = this.#runs[lastAtMost(this.#runs.length, slot, (index) => this.#runs[index]?.first)];
    return slot >= 0 && slot < this.size && (run === undefined || run.last < slot);
  }

  /** The free slot that has `rank` free slots before it, `rank` in 0..count-1. */
  at(rank: number): number {
    const index = lastAtMost(this.#freeBefore.length, rank, (at) => this.#freeBefore[at]);
    const run = this.#runs[index];
    return run === undefined ? rank : run.last + 1 + rank - (this.#freeBefore[index] ?? 0);
  }

  /**
   * The first free slot from `slot` on, starting again at 0 behind the last; `undefined` if all are
   * taken.
   */
  next(slot: number): number | undefined {
    if (this.count === 0) return undefined;
    const run = this.#runs[lastAtMost(this.#runs.length, slot, (index) => this.#runs[index]?.first)];
    const free = run === undefined || run.last < slot ? slot : run.last + 1;
    if (free < this.size) return free;
    return this.at(0);
  }
}

function mergeRuns(size: number, taken: Iterable<SlotRun>): SlotRun[] {
  const sorted: SlotRun[] = [];
  for (const { first, last } of taken)
    if (first <= last && last >= 0 && first < size)
      sorted.push({ first: Math.max(first, 0), last: Math.min(last, size - 1) });
  sorted.sort((a, b) => a.first - b.first);
  const merged: SlotRun[] = [];
  for (const run of sorted) {
    const previous = merged.at(-1);
    // Adjacent runs join too, so that a run is always followed by a free slot or the end.
    if (previous === undefined || run.first > previous.last + 1) merged.push(run);
    else if (run.last > previous.last) merged[merged.length - 1] = { first: previous.first, last: run.last };
  }
  return merged;
}

/** Index of the last of `length` ascending values that is not above `limit`; -1 if all are. */
function lastAtMost(length: number, limit: number, valueAt: (index: number) => number | undefined): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((valueAt(middle) ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
