// Command-line flags in the syntax of Go's `flag` package, and the same flags from the environment. Definitions are
// data; the result is a plain object typed after them. Reports every error at once. Knows no flag by name but `help`,
// and never puts the value of a secret flag, or of a flag it does not know, into a message.
import { didYouMean } from '../../lib/did-you-mean.ts';
import { parseFlagValue } from './go-flag-values.ts';

interface FlagBase {
  /** One or two sentences for the usage text. */
  readonly help: string;
  /** Environment variable; `undefined` takes the prefix and the flag's name, `null` means none. */
  readonly env?: string | null;
  /** True if the value must never be shown. */
  readonly isSecret?: boolean;
}

export interface StringFlag extends FlagBase {
  readonly type: 'string';
  readonly default: string;
  /** The only values allowed; unset means any. */
  readonly choices?: readonly string[];
}

export interface BoolFlag extends FlagBase {
  readonly type: 'bool';
  readonly default: boolean;
}

export interface NumberFlag extends FlagBase {
  /** `duration-seconds` also takes `90s`, `10m` and `24h`. */
  readonly type: 'int' | 'duration-seconds';
  readonly default: number;
  /** Smallest and largest value allowed, both included. */
  readonly bound?: readonly [min: number, max: number];
}

/** A flag that may be given several times; every value is kept, in order. */
export interface RepeatableFlag extends FlagBase {
  readonly type: 'repeatable';
  readonly default: readonly string[];
}

export type FlagDefinition = StringFlag | BoolFlag | NumberFlag | RepeatableFlag;
export type FlagDefinitions = Readonly<Record<string, FlagDefinition>>;

type ValueOf<Flag extends FlagDefinition> = Flag extends BoolFlag
  ? boolean
  : Flag extends NumberFlag
    ? number
    : Flag extends RepeatableFlag
      ? readonly string[]
      : string;

/** One value a flag, by name. */
export type FlagValues<Flags extends FlagDefinitions> = {
  readonly [Name in keyof Flags]: ValueOf<Flags[Name]>;
};

export type FlagSource = 'default' | 'command line' | 'environment';

export interface ParsedFlags<Flags extends FlagDefinitions> {
  readonly values: FlagValues<Flags>;
  readonly sourceOf: (name: keyof Flags & string) => FlagSource;
  /** How the operator wrote the flag, for messages: `--name`, or the environment variable that stands for it. */
  readonly labelOf: (name: string) => string;
  /** True if `-h`, `-help` or `--help` was among the flags. */
  readonly isHelpWanted: boolean;
  /** Words from the first non-flag on, or after `--`. */
  readonly rest: readonly string[];
  /** One line each. The values of flags with an error are their defaults. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface FlagInput {
  /** Words after the command's name. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Prefix of environment variables, for example `FLANNELD_`. */
  readonly envPrefix?: string;
}

type FlagValue = string | boolean | number | readonly string[];

interface Reading {
  readonly flags: FlagDefinitions;
  readonly values: Map<string, FlagValue>;
  readonly sources: Map<string, FlagSource>;
  readonly errors: string[];
  readonly warnings: string[];
}

/** Reads flags from words and, where a flag is not among them, from the environment. Never throws. */
export function parseFlags<const Flags extends FlagDefinitions>(
  flags: Flags,
  input: FlagInput,
): ParsedFlags<Flags> {
  const reading: Reading = { flags, values: new Map(), sources: new Map(), errors: [], warnings: [] };
  const { rest, isHelpWanted } = readWords(reading, input.argv);
  readEnvironment(reading, input);
  const values = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, reading.values.get(name) ?? flag.default]),
  );
  return {
    values: Object.freeze(values) as FlagValues<Flags>,
    sourceOf: (name) => reading.sources.get(name) ?? 'default',
    labelOf: (name) => labelOf(reading, name, input.envPrefix ?? ''),
    isHelpWanted,
    rest,
    errors: reading.errors,
    warnings: reading.warnings,
  };
}

/** Name of the environment variable that stands for a flag, or `undefined` if none does. */
export function environmentName(name: string, flag: FlagDefinition, prefix: string): string | undefined {
  if (flag.env === null) return undefined;
  return flag.env ?? prefix + name.toUpperCase().replaceAll(/[-.]/g, '_');
}

function labelOf(reading: Reading, name: string, prefix: string): string {
  const flag = definitionOf(reading, name);
  const isFromEnvironment = flag !== undefined && reading.sources.get(name) === 'environment';
  return (isFromEnvironment ? environmentName(name, flag, prefix) : undefined) ?? `--${name}`;
}

function readWords(reading: Reading, argv: readonly string[]): { rest: string[]; isHelpWanted: boolean } {
  let isHelpWanted = false;
  let index = 0;
  while (index < argv.length) {
    const word = argv[index] ?? '';
    if (word === '--') return { rest: argv.slice(index + 1), isHelpWanted };
    if (word === '-' || !word.startsWith('-')) break;
    index++;
    const flag = splitWord(word);
    if (flag === undefined)
      reading.errors.push(`${word.split('=')[0]}: not a flag; write --name or --name=value`);
    else if (isHelp(reading, flag.name)) isHelpWanted = true;
    else index += readFlag(reading, flag, argv[index]);
  }
  return { rest: argv.slice(index), isHelpWanted };
}

interface FlagWord {
  readonly name: string;
  readonly value?: string;
}

/** Go takes one or two dashes; a third one, or nothing before `=`, is an error. */
function splitWord(word: string): FlagWord | undefined {
  const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word);
  if (match?.[1] === undefined) return undefined;
  return match[2] === undefined ? { name: match[1] } : { name: match[1], value: match[2] };
}

function isHelp(reading: Reading, name: string): boolean {
  return (name === 'help' || name === 'h') && !Object.hasOwn(reading.flags, name);
}

/** Reads one flag; returns how many of the next words (0 or 1) were its value. */
function readFlag(reading: Reading, word: FlagWord, next: string | undefined): number {
  const flag = definitionOf(reading, word.name);
  if (flag === undefined) {
    reading.errors.push(unknownFlag(reading, word.name));
    // The next word is most likely its value: stepping over it finds the other errors too.
    return word.value === undefined && next !== undefined && !next.startsWith('-') ? 1 : 0;
  }
  const isNextTaken = word.value === undefined && flag.type !== 'bool';
  const text = word.value ?? (flag.type === 'bool' ? 'true' : next);
  const label = `--${word.name}`;
  if (text === undefined) reading.errors.push(`${label} needs a value: ${label}=VALUE`);
  else setFlag(reading, { name: word.name, flag, text, source: 'command line', label });
  return isNextTaken ? 1 : 0;
}

function definitionOf(reading: Reading, name: string): FlagDefinition | undefined {
  return Object.hasOwn(reading.flags, name) ? reading.flags[name] : undefined;
}

function unknownFlag(reading: Reading, name: string): string {
  const near = didYouMean(name, Object.keys(reading.flags));
  return `--${name}: unknown flag${near === undefined ? '' : `; did you mean --${near}?`}`;
}

interface Setting {
  readonly name: string;
  readonly flag: FlagDefinition;
  readonly text: string;
  readonly source: FlagSource;
  readonly label: string;
}

function setFlag(reading: Reading, { name, flag, text, source, label }: Setting): void {
  // A flag with a wrong value is set nevertheless: the environment does not stand in for it.
  reading.sources.set(name, source);
  const parsed = parseFlagValue(flag, text);
  if ('problem' in parsed) {
    reading.errors.push(
      `${label}=${flag.isSecret === true ? '...' : JSON.stringify(text)}: ${parsed.problem}`,
    );
    return;
  }
  const earlier = reading.values.get(name);
  reading.values.set(name, Array.isArray(earlier) ? [...(earlier as string[]), text] : parsed.value);
}

function readEnvironment(reading: Reading, input: FlagInput): void {
  const env = input.env ?? {};
  const prefix = input.envPrefix ?? '';
  const known = new Set<string>();
  for (const [name, flag] of Object.entries(reading.flags)) {
    const variable = environmentName(name, flag, prefix);
    if (variable === undefined) continue;
    known.add(variable);
    const text = env[variable];
    if (text === undefined || text === '' || reading.sources.has(name)) continue;
    setFlag(reading, { name, flag, text, source: 'environment', label: variable });
  }
  if (prefix !== '') warnOfMisspelled(reading, Object.keys(env), known, prefix);
}

/** Other programs may own variables with the same prefix, so only a near miss is worth a word. */
function warnOfMisspelled(
  reading: Reading,
  variables: string[],
  known: ReadonlySet<string>,
  prefix: string,
): void {
  for (const variable of variables) {
    if (!variable.startsWith(prefix) || known.has(variable)) continue;
    const near = didYouMean(
      variable.slice(prefix.length),
      [...known].map((name) => name.slice(prefix.length)),
    );
    if (near !== undefined)
      reading.warnings.push(`${variable} is set but stands for no flag; did you mean ${prefix}${near}?`);
  }
}
