// The one shape of what benchmarks keep: every value of every round, the machine and the conditions that they hold under.
// docs/benchmarks/README.md documents it. Independent of how anything is measured.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readMachine, type Machine } from './machine.ts';
import { upgradeRecord } from './record-v1.ts';

/** Goes up when a reader of the old shape would misunderstand the new one. */
export const RECORD_VERSION = 2;

/** A file of results. */
export interface BenchRecord {
  readonly version: typeof RECORD_VERSION;
  /** ISO 8601, when it was written. */
  readonly takenAt: string;
  readonly machine: Machine;
  readonly benchmarks: readonly BenchmarkRecord[];
}

/** The results of one benchmark. */
export interface BenchmarkRecord {
  readonly benchmark: string;
  /** What would show its claims to be false, in a clause: "false if …". */
  readonly invalidatedBy: string;
  /** Every setting except the number of rounds. Only results under equal conditions compare. */
  readonly conditions: Readonly<Record<string, string | number | boolean>>;
  readonly measures: readonly Measure[];
}

/** One question, measured for each subject once a round. */
export interface Measure {
  /** Unique within the benchmark, the same in every run. */
  readonly name: string;
  /** For reports; default: the name. */
  readonly title?: string;
  readonly unit: string;
  readonly better: 'less' | 'more' | 'neither';
  /** The subject that the others are compared with, round by round; unset: no ratios. */
  readonly reference?: string;
  /** Measures of one group share a plot; unset: a plot of its own. */
  readonly group?: string;
  readonly subjects: readonly Subject[];
}

/** What was measured: one program, one transport, one size. */
export interface Subject {
  readonly name: string;
  /** One value a round, in the order measured; null: that round has none. */
  readonly rounds: readonly (number | null)[];
  /** Another program: shown, and left out of comparisons. */
  readonly isCompetitor?: true;
  /** A count that is the same in every run of the same code: one round is enough for a comparison. */
  readonly isExact?: true;
  /** What the median must keep. */
  readonly threshold?: Threshold;
  /** Why a value is missing. */
  readonly failure?: string;
  /** Further facts of each round, in the order of {@link rounds}. */
  readonly details?: readonly Readonly<Record<string, unknown>>[];
}

/** Bounds of the median: of the values, or of the ratios to the measure's reference. */
export interface Threshold {
  readonly of: 'value' | 'ratio';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Writes `benchmarks` as a record of this machine, and makes the folder if it is missing. */
export async function writeRecord(file: string, benchmarks: readonly BenchmarkRecord[]): Promise<void> {
  const takenAt = new Date().toISOString();
  const record: BenchRecord = { version: RECORD_VERSION, takenAt, machine: readMachine(), benchmarks };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(record, undefined, 1)}\n`);
}

/** @throws Error naming the file if it is missing, or no record of a known version. */
export async function readRecord(file: string): Promise<BenchRecord> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(`Cannot read ${file}: ${error.message}`);
  });
  return parseRecord(text, file);
}

/** `file` names it in errors. @throws Error if the text is no record of a known version. */
export function parseRecord(text: string, file: string): BenchRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const record = upgradeRecord(parsed) as Partial<Record<keyof BenchRecord, unknown>> | null;
  if (record?.version !== RECORD_VERSION || !Array.isArray(record.benchmarks) || !record.machine)
    throw new Error(
      `${file} is no record of version ${RECORD_VERSION} (its version: ${JSON.stringify(record?.version)}): make it with weft bench --out ${file}`,
    );
  return record as BenchRecord;
}
