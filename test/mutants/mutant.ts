// One small fault of a source file, and how a sample of them is drawn.

export interface Mutant {
  /** Kind of fault, for the report. */
  readonly operator: string;
  /** Range of the source that `text` replaces, in characters. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A mutant of one file, with its place in the file that people edit. */
export interface Candidate {
  readonly mutant: Mutant;
  /** File that is changed, relative to the project. */
  readonly file: string;
  /** Source file and line. */
  readonly place: string;
}

export function apply(source: string, { start, end, text }: Mutant): string {
  return source.slice(0, start) + text + source.slice(end);
}

/** `count` of `all` in the order that `seed` gives; the same ones whenever seed and list are the same. */
export function sample<T>(all: readonly T[], count: number, seed: number): readonly T[] {
  const random = randomOf(seed);
  const rest = [...all];
  const chosen: T[] = [];
  while (chosen.length < count && rest.length > 0)
    chosen.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return chosen;
}

/** mulberry32: numbers in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
