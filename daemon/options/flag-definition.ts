// Definitions of flags as data, and the environment variable of each.

interface FlagBase {
  /** One or two sentences for the usage text. */
  readonly help: string;
  /** Environment variable. `undefined`: derived from prefix and name. `null`: none. */
  readonly env?: string | null;
  /** Whether the value is masked everywhere. */
  readonly isSecret?: boolean;
}

export interface StringFlag extends FlagBase {
  readonly type: 'string';
  readonly default: string;
  /** Allowed values; unset means any. */
  readonly choices?: readonly string[];
}

export interface BoolFlag extends FlagBase {
  readonly type: 'bool';
  readonly default: boolean;
}

export interface NumberFlag extends FlagBase {
  /** `duration-seconds` also accepts `90s`, `10m` and `24h`. */
  readonly type: 'int' | 'duration-seconds';
  readonly default: number;
  /** Minimum and maximum, both included. */
  readonly bound?: readonly [min: number, max: number];
}

/** A flag that may be given several times; every value is kept, in order. */
export interface RepeatableFlag extends FlagBase {
  readonly type: 'repeatable';
  readonly default: readonly string[];
}

export type FlagDefinition = StringFlag | BoolFlag | NumberFlag | RepeatableFlag;
export type FlagDefinitions = Readonly<Record<string, FlagDefinition>>;

/** Name of the environment variable of a flag; `undefined` if it has none. */
export function environmentName(name: string, flag: FlagDefinition, prefix: string): string | undefined {
  if (flag.env === null) return undefined;
  return flag.env ?? prefix + name.toUpperCase().replaceAll(/[-.]/g, '_');
}
