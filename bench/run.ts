// Runs the parts that were asked for, one after another: what they need is looked for before the first one starts.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lab/package-root.ts';
import { formatMachine, readMachine } from './machine.ts';
import { PARTS } from './parts.ts';
import { progress } from './progress.ts';
import { writeRecord, type PartRecord } from './record.ts';
import { formatPart } from './summary.ts';
import type { RunWords } from './words.ts';

const exec = promisify(execFile);

/** @returns the exit code: 1 if a subject of a part has failed. @throws Error at once if a tool is missing. */
export async function runParts({ parts, rounds, args, out }: RunWords): Promise<number> {
  for (const name of parts) await requireTools(name, await PARTS[name]!.needs(args));
  const records: PartRecord[] = [];
  for (const [index, name] of parts.entries()) {
    progress(`… ${name} (${index + 1} of ${parts.length}): ${PARTS[name]!.question}`);
    const record = await PARTS[name]!.run({ args, rounds });
    records.push(record);
    await writeRecord(join(packageRoot(), 'bench/out', `${name}.json`), [record]);
  }
  if (out !== undefined) await writeRecord(out, records);
  console.log(
    [formatMachine(readMachine()), ...records.flatMap((record) => ['', ...formatPart(record)])].join('\n'),
  );
  return records.some(hasFailure) ? 1 : 0;
}

function hasFailure({ measures }: PartRecord): boolean {
  return measures.some(({ subjects }) => subjects.some(({ failure }) => failure !== undefined));
}

/** @throws Error naming all that is missing, and the packages that have it. */
async function requireTools(part: string, tools: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const tool of tools) if (!(await isThere(tool))) missing.push(tool);
  if (missing.length === 0) return;
  const { stdout } = await exec('sh', [
    join(packageRoot(), 'deploy/install-tools.sh'),
    '--print',
    ...missing,
  ]);
  throw new Error(
    `${part} needs ${missing.join(', ')}, which this machine lacks: run make bench-tools, or as root apt-get install ${stdout.trim()}`,
  );
}

function isThere(tool: string): Promise<boolean> {
  return exec('sh', ['-c', 'command -v "$1"', 'sh', tool]).then(
    () => true,
    () => false,
  );
}
