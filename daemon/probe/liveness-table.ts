// What is known of each peer, in columns: the answer of a peer that is reachable writes two numbers
// and allocates nothing, so that a sweep in which nothing changes leaves no garbage.
import { LIVENESS_STATES, type LivenessStateV1 } from '../../api/index.ts';
import type { Liveness, LivenessCounts } from './liveness-state.ts';

/** In the column of states; other values are indexes of {@link LIVENESS_STATES}. */
const UNKNOWN = 255;
const REACHABLE = LIVENESS_STATES.indexOf('reachable');
const FIRST_ROWS = 16;

export class LivenessTable {
  readonly #rows = new Map<string, number>();
  /** By row, as all columns; unset: a free row. */
  readonly #keys: (string | undefined)[] = [];
  readonly #free: number[] = [];
  #states = new Uint8Array(FIRST_ROWS).fill(UNKNOWN);
  #sinceMs = new Float64Array(FIRST_ROWS);
  /** NaN: never. */
  #answeredMs = new Float64Array(FIRST_ROWS);
  #rttMs = new Float64Array(FIRST_ROWS);
  /** Peers that were probed and do not answer on the overlay. */
  #unreachable = 0;

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  /** The row of `key`, a new one of state unknown if it has none. */
  add(key: string): number {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#free.pop() ?? this.#keys.length;
    if (row === this.#states.length) this.#grow();
    this.#rows.set(key, row);
    this.#keys[row] = key;
    return row;
  }

  /** A later {@link add} may give the row to another peer. @returns the row that was freed */
  delete(key: string): number | undefined {
    const row = this.#rows.get(key);
    if (row === undefined) return undefined;
    this.#setState(row, UNKNOWN);
    this.#rows.delete(key);
    this.#keys[row] = undefined;
    this.#free.push(row);
    return row;
  }

  rowOf(key: string): number | undefined {
    return this.#rows.get(key);
  }

  /** `undefined`: a free row. */
  keyAt(row: number): string | undefined {
    return this.#keys[row];
  }

  get(key: string): Liveness | undefined {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : this.at(row);
  }

  /** `undefined`: unknown. */
  at(row: number): Liveness | undefined {
    const state = this.stateAt(row);
    if (state === undefined) return undefined;
    const answeredMs = this.#answeredMs[row]!;
    return {
      state,
      sinceMs: this.#sinceMs[row]!,
      ...(!Number.isNaN(answeredMs) && { answeredMs, rttMs: this.#rttMs[row]! }),
    };
  }

  stateAt(row: number): LivenessStateV1 | undefined {
    return LIVENESS_STATES[this.#states[row]!];
  }

  set(row: number, { state, sinceMs, answeredMs = NaN, rttMs = NaN }: Liveness): void {
    this.#setState(row, LIVENESS_STATES.indexOf(state));
    this.#sinceMs[row] = sinceMs;
    this.#answeredMs[row] = answeredMs;
    this.#rttMs[row] = rttMs;
  }

  /** What `next` does for a reachable peer that answered. @returns whether it is one */
  refresh(row: number, rttMs: number, nowMs: number): boolean {
    if (this.#states[row] !== REACHABLE) return false;
    this.#answeredMs[row] = nowMs;
    this.#rttMs[row] = rttMs;
    return true;
  }

  /** Peers that were probed and do not answer on the overlay. */
  unreachable(): readonly (readonly [key: string, liveness: Liveness])[] {
    if (this.#unreachable === 0) return [];
    return [...this.#rows].flatMap(([key, row]) => {
      const liveness = this.#states[row] === REACHABLE ? undefined : this.at(row);
      return liveness === undefined ? [] : [[key, liveness] as const];
    });
  }

  /** Peers by state, of those for which `has` holds and of `total` peers. */
  counts(total: number, has: (key: string) => boolean): LivenessCounts {
    const counts = { reachable: 0, silent: 0, 'overlay-broken': 0, unknown: 0 };
    for (const [key, row] of this.#rows) {
      const state = this.stateAt(row);
      if (state !== undefined && has(key)) counts[state]++;
    }
    counts.unknown = total - counts.reachable - counts.silent - counts['overlay-broken'];
    return counts;
  }

  #setState(row: number, state: number): void {
    const isBad = (each: number): number => Number(each !== UNKNOWN && each !== REACHABLE);
    this.#unreachable += isBad(state) - isBad(this.#states[row]!);
    this.#states[row] = state;
  }

  #grow(): void {
    const states = new Uint8Array(2 * this.#states.length).fill(UNKNOWN);
    states.set(this.#states);
    this.#states = states;
    [this.#sinceMs, this.#answeredMs, this.#rttMs] = [this.#sinceMs, this.#answeredMs, this.#rttMs].map(
      (column) => {
        const larger = new Float64Array(2 * column.length);
        larger.set(column);
        return larger;
      },
    ) as [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>];
  }
}
