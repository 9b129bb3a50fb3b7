// Counts values by size, in fixed buckets, as Prometheus' histograms do.

export interface HistogramSnapshot {
  /** Upper bounds of the buckets, each included, in ascending order. */
  readonly bounds: readonly number[];
  /** Values up to each bound, and last all: each bucket contains those before it. */
  readonly cumulative: readonly number[];
  readonly sum: number;
}

export class Histogram {
  readonly #bounds: readonly number[];
  /** Of each bucket alone; the last one has no bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds - in ascending order */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    let total = 0;
    const cumulative = Array.from(this.#counts, (count) => (total += count));
    return { bounds: this.#bounds, cumulative, sum: this.#sum };
  }
}
