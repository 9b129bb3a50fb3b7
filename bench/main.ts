// `weft bench` and `make bench`: runs benchmarks one after another and keeps what they find, or looks at what was kept.
// Labs need namespaces: `weft bench` brings them, and so does test/in-namespaces.sh.
import { formatComparison, hasFailed } from './compare-text.ts';
import { compareRecords } from './compare.ts';
import { readRecord } from './record.ts';
import { runBenchmarks } from './run.ts';
import { BenchUsageError, parseBenchArgs, USAGE, type CompareArgs } from './args.ts';

async function main(argv: readonly string[]): Promise<number> {
  const words = parseBenchArgs(argv);
  switch (words.verb) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'run':
      return runBenchmarks(words);
    case 'report':
      return (await import('./report/main.ts')).writeReport(words);
    case 'compare':
      return compare(words);
  }
}

/** @returns 1 if the later run is worse. */
async function compare({ before, after, options }: CompareArgs): Promise<number> {
  const differences = compareRecords(await readRecord(before), await readRecord(after), options);
  console.log(formatComparison(differences, options));
  return hasFailed(differences) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`weft bench: ${(error as Error).message}\n`);
  process.exitCode = error instanceof BenchUsageError ? 2 : 1;
}
