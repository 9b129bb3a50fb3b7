// Parses command-line flags in the syntax of Go's `flag` package, and the same flags from the
// environment. The result is a plain object typed by the definitions. It reports all errors at once
// and knows no flag by name but `help`. Messages never contain the value of a secret or unknown
// flag.
import { didYouMean } from '../../lib/did-you-mean.ts';
import {
  environmentName,
  type BoolFlag,
  type FlagDefinition,
  type FlagDefinitions,
  type NumberFlag,
  type RepeatableFlag,
} from './flag-definition.ts';
import { parseFlagValue } from './go-flag-values.ts';
import { findStrayCharacters } from './stray-characters.ts';

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
  /**
   * How the operator wrote the flag, for messages: `--name`, or the environment variable that
   * stands for it.
   */
  readonly labelOf: (name: string) => string;
  /** True if `-h`, `-help` or `--help` was among the flags. */
  readonly isHelpWanted: boolean;
  /** Arguments from the first non-flag on, or after `--`. */
  readonly rest: readonly string[];
  /** One line each. The values of flags with an error are their defaults. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface FlagInput {
  /** Arguments after the command's name. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Prefix of environment variables, for example `FLANNELD_`. */
  readonly envPrefix?: string;
}

type FlagValue = string | boolean | number | readonly string[];

interface ParserState {
  readonly flags: FlagDefinitions;
  readonly values: Map<string, FlagValue>;
  readonly sources: Map<string, FlagSource>;
  readonly errors: string[];
  readonly warnings: string[];
}

/**
 * Parses flags from arguments; a flag that is not among them comes from the environment. Never
 * throws.
 */
export function parseFlags<const Flags extends FlagDefinitions>(
  flags: Flags,
  input: FlagInput,
): ParsedFlags<Flags> {
  const state: ParserState = { flags, values: new Map(), sources: new Map(), errors: [], warnings: [] };
  const { rest, isHelpWanted } = parseArgs(state, input.argv);
  parseEnvironment(state, input);
  const values = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, state.values.get(name) ?? flag.default]),
  );
  return {
    values: Object.freeze(values) as FlagValues<Flags>,
    sourceOf: (name) => state.sources.get(name) ?? 'default',
    labelOf: (name) => labelOf(state, name, input.envPrefix ?? ''),
    isHelpWanted,
    rest,
    errors: state.errors,
    warnings: state.warnings,
  };
}

function labelOf(state: ParserState, name: string, prefix: string): string {
  const flag = definitionOf(state, name);
  const isFromEnvironment = flag !== undefined && state.sources.get(name) === 'environment';
  return (isFromEnvironment ? environmentName(name, flag, prefix) : undefined) ?? `--${name}`;
}

function parseArgs(state: ParserState, argv: readonly string[]): { rest: string[]; isHelpWanted: boolean } {
  let isHelpWanted = false;
  let index = 0;
  while (index < argv.length) {
    const arg = argv[index] ?? '';
    if (arg === '--') return { rest: argv.slice(index + 1), isHelpWanted };
    if (arg === '-' || !arg.startsWith('-')) break;
    index++;
    const flag = splitArg(arg);
    if (flag === undefined)
      state.errors.push(`${arg.split('=')[0]}: not a flag; write --name or --name=value`);
    else if (isHelp(state, flag.name)) isHelpWanted = true;
    else index += parseFlag(state, flag, argv[index]);
  }
  return { rest: argv.slice(index), isHelpWanted };
}

interface FlagArg {
  readonly name: string;
  readonly value?: string;
}

/** Go takes one or two dashes; a third one, or nothing before `=`, is an error. */
function splitArg(arg: string): FlagArg | undefined {
  const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg);
  if (match?.[1] === undefined) return undefined;
  return match[2] === undefined ? { name: match[1] } : { name: match[1], value: match[2] };
}

function isHelp(state: ParserState, name: string): boolean {
  return (name === 'help' || name === 'h') && !Object.hasOwn(state.flags, name);
}

/** Parses one flag. @returns how many of the next arguments, 0 or 1, were its value. */
function parseFlag(state: ParserState, arg: FlagArg, next: string | undefined): number {
  const flag = definitionOf(state, arg.name);
  if (flag === undefined) {
    state.errors.push(unknownFlag(state, arg.name));
    // The next argument is most likely its value: skipping it finds the other errors, too.
    return arg.value === undefined && next !== undefined && !next.startsWith('-') ? 1 : 0;
  }
  const isNextTaken = arg.value === undefined && flag.type !== 'bool';
  const text = arg.value ?? (flag.type === 'bool' ? 'true' : next);
  const label = `--${arg.name}`;
  if (text === undefined) state.errors.push(`${label} needs a value: ${label}=VALUE`);
  else setFlag(state, { name: arg.name, flag, text, source: 'command line', label });
  return isNextTaken ? 1 : 0;
}

function definitionOf(state: ParserState, name: string): FlagDefinition | undefined {
  return Object.hasOwn(state.flags, name) ? state.flags[name] : undefined;
}

function unknownFlag(state: ParserState, name: string): string {
  const near = didYouMean(name, Object.keys(state.flags));
  return `--${name}: unknown flag${near === undefined ? '' : `; did you mean --${near}?`}`;
}

interface Setting {
  readonly name: string;
  readonly flag: FlagDefinition;
  readonly text: string;
  readonly source: FlagSource;
  readonly label: string;
}

function setFlag(state: ParserState, { name, flag, text, source, label }: Setting): void {
  // A flag with an invalid value counts as set: the environment does not replace it.
  state.sources.set(name, source);
  const stray = findStrayCharacters(text);
  if (stray !== undefined && flag.isSecret !== true) {
    state.errors.push(`${label}=${JSON.stringify(text)}: ${stray}`);
    return;
  }
  // A password may have any character.
  if (stray !== undefined) state.warnings.push(`${label}=...: ${stray}, unless it belongs to the password`);
  const parsed = parseFlagValue(flag, text);
  if ('problem' in parsed) {
    state.errors.push(`${label}=${flag.isSecret === true ? '...' : JSON.stringify(text)}: ${parsed.problem}`);
    return;
  }
  const earlier = state.values.get(name);
  state.values.set(name, Array.isArray(earlier) ? [...(earlier as string[]), text] : parsed.value);
}

function parseEnvironment(state: ParserState, input: FlagInput): void {
  const env = input.env ?? {};
  const prefix = input.envPrefix ?? '';
  const known = new Set<string>();
  for (const [name, flag] of Object.entries(state.flags)) {
    const variable = environmentName(name, flag, prefix);
    if (variable === undefined) continue;
    known.add(variable);
    const text = env[variable];
    if (text === undefined || text === '' || state.sources.has(name)) continue;
    setFlag(state, { name, flag, text, source: 'environment', label: variable });
  }
  if (prefix !== '') warnOfMisspelled(state, Object.keys(env), known, prefix);
}

/** Other programs may own variables with the same prefix, so only a near miss is worth a arg. */
function warnOfMisspelled(
  state: ParserState,
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
      state.warnings.push(`${variable} is set but stands for no flag; did you mean ${prefix}${near}?`);
  }
}
