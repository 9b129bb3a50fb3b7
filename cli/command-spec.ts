// What a command of the command line is: its specification, from which help, completion and the man
// page are made, its function, and its entry in the table of commands.

export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** May be repeated. Only with type string. */
  readonly multiple?: boolean;
  /** Value of an option that is absent. */
  readonly default?: string;
  /** Placeholder of the value in help, for example `PATH`. */
  readonly value?: string;
  /** The closed set of values. */
  readonly choices?: readonly string[];
  readonly help: string;
}

export interface CommandSpec {
  /** Forms behind `weft NAME`, for example `[get ADDRESS] [options]`. */
  readonly synopsis: readonly string[];
  /** What the command does, in lines. */
  readonly about: string;
  /** First arguments, with one line each. */
  readonly verbs?: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Command lines, with one line each. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Exit codes beside 0, 1 (failure) and 2 (wrong usage). */
  readonly exitCodes?: Readonly<Record<number, string>>;
}

export interface Command extends CommandSpec {
  /** Runs the arguments behind the command's name. @returns the exit code. @throws UsageError */
  readonly run: (argv: readonly string[]) => Promise<number>;
}

export interface CommandEntry {
  readonly group: keyof typeof GROUPS;
  /** Its purpose, at most 60 characters. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Commands by name, in the order in which they are listed. */
export type CommandTable = Readonly<Record<string, CommandEntry>>;

/** Headings of `weft help` and the man page. */
export const GROUPS = {
  run: 'Run',
  see: 'Inspect',
  change: 'Change',
  more: 'More',
} as const;

export interface NamedCommandSpec extends CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly group: CommandEntry['group'];
}

/** Loads every command of a table: what completion and the man page are made from. */
export async function loadCommandSpecs(table: CommandTable): Promise<readonly NamedCommandSpec[]> {
  const specs: NamedCommandSpec[] = [];
  for (const [name, { summary, group, load }] of Object.entries(table))
    specs.push({ name, summary, group, ...(await load()) });
  return specs;
}

/** First arguments of a verb's form: `get ADDRESS` and `stop|start|kill hK` begin with get, stop, start, kill. */
export function verbsOfForm(form: string): readonly string[] {
  return form.split(' ')[0]!.split('|');
}
