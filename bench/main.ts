// `weft bench` and `make bench`: runs benchmarks one after another and keeps their results, or reads kept results.
// Labs need namespaces: `weft bench` and test/in-namespaces.sh create them.
import { formatComparison, hasFailed } from './compare-text.ts';
import { compareRecords } from './compare.ts';
import { readRecord } from './record.ts';
import { runBenchmarks } from './run.ts';
import { BenchUsageError, parseBenchArgs, USAGE, type CompareArgs } from './args.ts';

async function main(argv: readonly string[]): Promise<number> {
  const args = parseBenchArgs(argv);
  switch (args.verb) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'run':
      return runBenchmarks(args);
    case 'report':
      return (await import('./report/main.ts')).writeReport(args);
    case 'compare':
      return compare(args);
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
