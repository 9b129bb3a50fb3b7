// What every benchmark prints and keeps: the system line, raw runs, medians. Results go to bench/out/NAME.json.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';

/** One figure with the limit that it was promised to keep. */
export interface Figure {
  readonly name: string;
  readonly unit: 'ms' | 'MB' | 'MiB' | 'RPCs' | 'ratio' | 'steps' | 'times';
  /** Raw values, one a run, in the order measured. */
  readonly runs: readonly number[];
  /** Largest median that counts as kept; unset for a figure that is only shown. */
  readonly atMost?: number;
  /** Smallest median that counts as kept. */
  readonly atLeast?: number;
}

export interface BenchResult {
  readonly bench: string;
  /** What would show the claim to be false, in a sentence. */
  readonly falsifiedBy: string;
  readonly figures: readonly Figure[];
}

/** Middle value; of an even number of values the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Kernel, CPU, cores, memory and Node version, as every result shows them. */
export function systemLine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `Linux ${release()}, ${cpu?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${memory} GiB, Node ${process.version}`;
}

/** Prints a table and writes the raw runs to `bench/out`. */
export async function report(result: BenchResult): Promise<void> {
  console.log(`\n${result.bench} — ${systemLine()}`);
  for (const figure of result.figures) console.log(`  ${formatFigure(figure)}`);
  console.log(`  would be false if: ${result.falsifiedBy}`);
  await mkdir('bench/out', { recursive: true });
  const raw = { ...result, system: systemLine(), takenAt: new Date().toISOString() };
  await writeFile(`bench/out/${result.bench}.json`, `${JSON.stringify(raw, undefined, 2)}\n`);
}

function formatFigure(figure: Figure): string {
  const { name, unit, runs } = figure;
  const show = (value: number) => (unit === 'ratio' ? value.toFixed(2) : value.toFixed(value < 10 ? 1 : 0));
  const range = `${show(Math.min(...runs))}–${show(Math.max(...runs))}`;
  return `${name.padEnd(58)} ${show(median(runs)).padStart(8)} ${unit.padEnd(5)} [${range}, n=${runs.length}]${formatLimit(figure)}`;
}

function formatLimit({ runs, atMost = Infinity, atLeast = -Infinity }: Figure): string {
  if (atMost === Infinity && atLeast === -Infinity) return '';
  const middle = median(runs);
  const limit = atMost === Infinity ? `≥ ${atLeast}` : `≤ ${atMost}`;
  return `  ${middle <= atMost && middle >= atLeast ? 'ok' : 'MISSED'} (${limit})`;
}
