// The command line of `weft bench`: arguments in, a parsed command out. Pure.
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { ComparisonOptions } from './compare.ts';
import type { RankingInvariant } from './invariants.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { PLANS, type Job } from './plans.ts';

/** The command line is wrong: exit code 2. */
export class BenchUsageError extends Error {}

export interface RunArgs {
  readonly verb: 'run';
  readonly jobs: readonly Job[];
  /** As {@link Plan.aboutSec}; undefined: without a plan. */
  readonly aboutSec?: number | undefined;
  /** As {@link Plan.withinSec}; undefined: no limit. */
  readonly withinSec: number | undefined;
  /** As {@link Plan.invariants}. */
  readonly invariants: readonly RankingInvariant[];
  /** File of all results; those of each benchmark go to bench/out/BENCHMARK.json as well. */
  readonly out: string | undefined;
}

export interface ReportArgs {
  readonly verb: 'report';
  readonly files: readonly string[];
  /** Where the HTML goes. */
  readonly out: string;
  /** Where the README's picture goes, if it is wanted. */
  readonly picture: string | undefined;
  /** Markdown pages whose tables are filled in. */
  readonly pages: readonly string[];
}

export interface CompareArgs {
  readonly verb: 'compare';
  readonly before: string;
  readonly after: string;
  readonly options: ComparisonOptions;
}

export type BenchArgs = RunArgs | ReportArgs | CompareArgs | { readonly verb: 'help' };

const MOST_ROUNDS = 1000;

export const USAGE = `Usage:
  weft bench [BENCHMARK...] [--rounds N] [--out FILE] [options of the benchmark]
  weft bench --plan NAME [--out FILE]
  weft bench report FILE... -o FILE.html [--picture FILE.svg] [--tables FILE.md]...
  weft bench compare BEFORE AFTER [--tolerance 0.1] [--alpha 0.01]

Benchmarks, all of them if none is named:
${Object.entries(BENCHMARKS)
  .map(([name, { question }]) => `  ${name.padEnd(9)} ${question}`)
  .join('\n')}

Plans:
${Object.entries(PLANS)
  .map(([name, { purpose }]) => `  ${name.padEnd(9)} ${purpose}`)
  .join('\n')}

Each benchmark keeps its rounds in bench/out/BENCHMARK.json. docs/benchmarks/README.md explains them.
`;

/** @throws BenchUsageError naming the argument and its valid values. */
export function parseBenchArgs(argv: readonly string[]): BenchArgs {
  if (argv.some((arg) => arg === '--help' || arg === '-h')) return { verb: 'help' };
  const [verb, ...rest] = argv;
  if (verb === 'report') return parseReport(rest);
  if (verb === 'compare') return parseCompare(rest);
  return parseRun(argv);
}

const REPORT_OPTIONS = {
  output: { type: 'string', short: 'o' },
  picture: { type: 'string' },
  tables: { type: 'string', multiple: true },
} as const;

function parseReport(args: readonly string[]): ReportArgs {
  const { values, positionals } = parse(args, REPORT_OPTIONS);
  if (positionals.length === 0 || values.output === undefined)
    throw new BenchUsageError('weft bench report needs files of results, and -o FILE.html for what it makes');
  return {
    verb: 'report',
    files: positionals,
    out: values.output,
    picture: values.picture,
    pages: values.tables ?? [],
  };
}

const COMPARE_OPTIONS = {
  tolerance: { type: 'string', default: '0.1' },
  alpha: { type: 'string', default: '0.01' },
} as const;

function parseCompare(args: readonly string[]): CompareArgs {
  const { values, positionals } = parse(args, COMPARE_OPTIONS);
  const [before, after] = positionals;
  if (before === undefined || after === undefined || positionals.length > 2)
    throw new BenchUsageError('weft bench compare needs two files of results: before and after');
  const options = {
    tolerance: parseShare('tolerance', values.tolerance),
    alpha: parseShare('alpha', values.alpha),
  };
  return { verb: 'compare', before, after, options };
}

function parse<const Options extends ParseArgsConfig['options'] & object>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new BenchUsageError((error as Error).message);
  }
}

function parseShare(name: string, text: string): number {
  const share = Number(text);
  if (share > 0 && share < 1) return share;
  throw new BenchUsageError(`--${name} '${text}': give a number between 0 and 1`);
}

function parseRun(argv: readonly string[]): RunArgs {
  const firstOption = argv.findIndex((arg) => arg.startsWith('-'));
  const named = firstOption < 0 ? argv : argv.slice(0, firstOption);
  const unknown = named.find((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown !== undefined)
    throw new BenchUsageError(
      `There is no benchmark '${unknown}': give some of ${Object.keys(BENCHMARKS).join(', ')}`,
    );
  const { own, others } = splitOptions(firstOption < 0 ? [] : argv.slice(firstOption));
  if (others.length > 0 && (named.length !== 1 || BENCHMARKS[named[0]!]!.hasOptions !== true))
    throw new BenchUsageError(
      `'${others.join(' ')}': options of a benchmark need that benchmark alone, one that has options`,
    );
  const { rounds, out, plan } = parseArgs({ args: own, options: FRAME_OPTIONS }).values;
  if (plan !== undefined) return parsePlan(plan, named.length > 0 || rounds !== undefined, out);
  const benchmarks = named.length > 0 ? named : Object.keys(BENCHMARKS);
  const count = parseRounds(rounds);
  const jobs = benchmarks.map((benchmark) => ({ benchmark, rounds: count, args: others }));
  return { verb: 'run', jobs, withinSec: undefined, invariants: [], out };
}

function parsePlan(name: string, hasMore: boolean, out: string | undefined): RunArgs {
  const plan = Object.hasOwn(PLANS, name) ? PLANS[name] : undefined;
  if (plan === undefined)
    throw new BenchUsageError(`There is no plan '${name}': give one of ${Object.keys(PLANS).join(', ')}`);
  if (hasMore)
    throw new BenchUsageError(`--plan ${name} names benchmarks and rounds itself: leave out others`);
  const { jobs, aboutSec, withinSec, invariants = [] } = plan;
  return { verb: 'run', jobs, aboutSec, withinSec, invariants, out };
}

const FRAME_OPTIONS = {
  rounds: { type: 'string' },
  out: { type: 'string' },
  plan: { type: 'string' },
} as const;

/** The frame's options with their values, and the rest. */
function splitOptions(args: readonly string[]): { readonly own: string[]; readonly others: string[] } {
  const own: string[] = [];
  const others: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const [, name, hasValue] = /^--([^=]+)(=)?/.exec(args[index]!) ?? [];
    const isOwn = name !== undefined && Object.hasOwn(FRAME_OPTIONS, name);
    (isOwn ? own : others).push(args[index]!);
    if (!isOwn || hasValue !== undefined) continue;
    const value = args[++index];
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
