// `weft bench` and `make bench`: runs parts one after another and keeps what they find, or looks at what was kept.
// Labs need namespaces: `weft bench` brings them, and so does test/in-namespaces.sh.
import { parseBenchWords, BenchUsageError, USAGE } from './words.ts';
import { runParts } from './run.ts';

async function main(argv: readonly string[]): Promise<number> {
  const words = parseBenchWords(argv);
  switch (words.verb) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'run':
      return runParts(words);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`weft bench: ${(error as Error).message}\n`);
  process.exitCode = error instanceof BenchUsageError ? 2 : 1;
}
