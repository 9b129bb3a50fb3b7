// The one shape of what benchmarks keep: every value of every round, the machine and the conditions that they hold under.
// docs/benchmarks/README.md tells it to readers. Knows nothing of how anything is measured.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readMachine, type Machine } from './machine.ts';

/** Goes up when a reader of the old shape would misunderstand the new one. */
export const RECORD_VERSION = 1;

/** A file of results. */
export interface BenchRecord {
  readonly version: typeof RECORD_VERSION;
  /** ISO 8601, when it was written. */
  readonly takenAt: string;
  readonly machine: Machine;
  readonly parts: readonly BenchmarkRecord[];
}

/** What one part of the benchmarks has found. */
export interface BenchmarkRecord {
  readonly part: string;
  /** What would show its claims to be false, in a clause: "false if …". */
  readonly invalidatedBy: string;
  /** All that was chosen and could have been otherwise, but for the number of rounds. Values of others never compare. */
  readonly conditions: Readonly<Record<string, string | number | boolean>>;
  readonly measures: readonly Measure[];
}

/** One question, asked of each subject once a round. */
export interface Measure {
  /** Unique within the part, the same in every run. */
  readonly name: string;
  /** In words, for reports; default: the name. */
  readonly title?: string;
  readonly unit: string;
  readonly better: 'less' | 'more' | 'neither';
  /** The subject that the others are compared with, round by round; missing: nothing is compared. */
  readonly reference?: string;
  /** Measures of one group share a plot; unset: a plot of its own. */
  readonly group?: string;
  readonly subjects: readonly Subject[];
}

/** What was measured: one program, one way, one size. */
export interface Subject {
  readonly name: string;
  /** One value a round, in the order measured; null: that round has none. */
  readonly rounds: readonly (number | null)[];
  /** Nothing of weft's own: shown, but a comparison does not judge it. */
  readonly isRival?: true;
  /** A count that neither chance nor the machine has a part in: one round can be judged. */
  readonly isExact?: true;
  /** What was promised of the median. */
  readonly promise?: Promised;
  /** Why a value is missing. */
  readonly failure?: string;
  /** What else is known of each round, in the order of {@link rounds}. */
  readonly details?: readonly Readonly<Record<string, unknown>>[];
}

/** Bounds of the median: of the values, or of the ratios to the measure's reference. */
export interface Promised {
  readonly of: 'value' | 'ratio';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Writes `parts` as a record of this machine, with the folder that it needs. */
export async function writeRecord(file: string, parts: readonly BenchmarkRecord[]): Promise<void> {
  const takenAt = new Date().toISOString();
  const record: BenchRecord = { version: RECORD_VERSION, takenAt, machine: readMachine(), parts };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(record, undefined, 1)}\n`);
}

/** @throws Error naming the file if there is none, or it is no record of this version. */
export async function readRecord(file: string): Promise<BenchRecord> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(`Cannot read ${file}: ${error.message}`);
  });
  return parseRecord(text, file);
}

/** `file` names it in errors. @throws Error if the text is no record of this version. */
export function parseRecord(text: string, file: string): BenchRecord {
  let record: Partial<Record<keyof BenchRecord, unknown>> | null;
  try {
    record = JSON.parse(text) as Partial<BenchRecord> | null;
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (record?.version !== RECORD_VERSION || !Array.isArray(record.parts) || !record.machine)
    throw new Error(
      `${file} is no record of version ${RECORD_VERSION} (its version: ${JSON.stringify(record?.version)}): make it with weft bench --out ${file}`,
    );
  return record as BenchRecord;
}
