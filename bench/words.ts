// The command line of `weft bench`. Pure: words in, what is wanted out.
import { parseArgs } from 'node:util';
import { PARTS } from './parts.ts';

/** The command line is wrong: exit code 2. */
export class BenchUsageError extends Error {}

export interface RunWords {
  readonly verb: 'run';
  readonly parts: readonly string[];
  /** Undefined: as many as each part takes by itself. */
  readonly rounds: number | undefined;
  /** Where all parts go together; each goes to bench/out/PART.json besides. */
  readonly out: string | undefined;
  /** Options of the one part that was named. */
  readonly args: readonly string[];
}

export type BenchWords = RunWords | { readonly verb: 'help' };

const MOST_ROUNDS = 1000;

export const USAGE = `Usage:
  weft bench [PART...] [--rounds N] [--out FILE] [options of the part]

Parts, all of them if none is named:
${Object.entries(PARTS)
  .map(([name, { question }]) => `  ${name.padEnd(9)} ${question}`)
  .join('\n')}

Each part keeps its rounds in bench/out/PART.json. docs/benchmarks/README.md tells what they mean.
`;

/** @throws BenchUsageError naming the word and what it may be. */
export function parseBenchWords(argv: readonly string[]): BenchWords {
  if (argv.some((word) => word === '--help' || word === '-h')) return { verb: 'help' };
  return parseRun(argv);
}

function parseRun(argv: readonly string[]): RunWords {
  const firstOption = argv.findIndex((word) => word.startsWith('-'));
  const named = firstOption < 0 ? argv : argv.slice(0, firstOption);
  const unknown = named.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined)
    throw new BenchUsageError(`There is no part '${unknown}': give some of ${Object.keys(PARTS).join(', ')}`);
  const { own, others } = splitOptions(firstOption < 0 ? [] : argv.slice(firstOption));
  if (others.length > 0 && (named.length !== 1 || PARTS[named[0]!]!.hasOptions !== true))
    throw new BenchUsageError(
      `'${others.join(' ')}': options of a part need that part alone, one that has options`,
    );
  const { rounds, out } = parseArgs({ args: own, options: FRAME_OPTIONS }).values;
  const parts = named.length > 0 ? named : Object.keys(PARTS);
  return { verb: 'run', parts, rounds: parseRounds(rounds), out, args: others };
}

const FRAME_OPTIONS = { rounds: { type: 'string' }, out: { type: 'string' } } as const;

/** The frame's options with their values, and the rest. */
function splitOptions(words: readonly string[]): { readonly own: string[]; readonly others: string[] } {
  const own: string[] = [];
  const others: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const [, name, hasValue] = /^--([^=]+)(=)?/.exec(words[index]!) ?? [];
    const isOwn = name !== undefined && Object.hasOwn(FRAME_OPTIONS, name);
    (isOwn ? own : others).push(words[index]!);
    if (!isOwn || hasValue !== undefined) continue;
    const value = words[++index];
    if (value === undefined) throw new BenchUsageError(`--${name} needs a value`);
    own.push(value);
  }
  return { own, others };
}

function parseRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= MOST_ROUNDS) return rounds;
  throw new BenchUsageError(`--rounds '${text}': give a whole number from 1 to ${MOST_ROUNDS}`);
}
