// What a command of the command line is: its words, from which help, completion and the man page are made, and what it
// does. Parses nothing but options.
import { parseArgs } from 'node:util';
import { EXIT_OK } from '../daemon/node/exit.ts';
import { UsageError } from './usage-error.ts';

export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** May be repeated. Only with type string. */
  readonly multiple?: boolean;
  /** If it is not given. */
  readonly default?: string;
  /** Stands for the value in help, for example `PATH`. */
  readonly value?: string;
  /** Values that there are. */
  readonly choices?: readonly string[];
  readonly help: string;
}

export interface CommandSpec {
  /** Forms behind `weft NAME`, for example `[get ADDRESS] [options]`. */
  readonly synopsis: readonly string[];
  /** Lines that tell what it does. */
  readonly about: string;
  /** First words, with one line each. */
  readonly verbs?: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Command lines, with one line each. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Those beside 0, 1 (failed) and 2 (wrong usage). */
  readonly exitCodes?: Readonly<Record<number, string>>;
}

export interface Command extends CommandSpec {
  /** Runs the words behind the command's name. @returns the exit code. @throws UsageError */
  readonly run: (argv: readonly string[]) => Promise<number>;
}

export interface CommandEntry {
  readonly group: 'run' | 'see' | 'change' | 'more';
  /** What it is for, in a few words. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Values of options: `false` or `undefined` for those that were not given. */
export type OptionValues<Options extends CommandSpec['options']> = {
  readonly [Name in keyof Options]: Options[Name] extends { readonly type: 'boolean' }
    ? boolean
    : Options[Name] extends { readonly multiple: true }
      ? readonly string[]
      : Options[Name] extends { readonly default: string }
        ? string
        : string | undefined;
};

interface Definition<Options extends CommandSpec['options']> extends CommandSpec {
  readonly name: string;
  readonly options: Options;
  /** How many words there may be beside options; default 0. */
  readonly maxArgs?: number;
  readonly run: (values: OptionValues<Options>, words: readonly string[]) => Promise<number>;
}

/** A command that parses its words as its own table says and answers `--help` by itself. */
export function defineCommand<const Options extends CommandSpec['options']>(
  definition: Definition<Options>,
): Command {
  const { name, maxArgs = 0, run, ...words } = definition;
  return {
    ...words,
    run: async (argv) => {
      const { values, positionals } = parse(name, words.options, argv);
      if (values['help'] === true) {
        const { formatHelp } = await import('./format/help.ts');
        process.stdout.write(formatHelp(name, words));
        return EXIT_OK;
      }
      const [extra] = positionals.slice(maxArgs);
      if (extra !== undefined)
        throw new UsageError(
          `weft ${name} takes no further word, got ${JSON.stringify(extra)}; weft ${name} --help tells more`,
        );
      return run(withDefaults(words.options, values) as OptionValues<Options>, positionals);
    },
  };
}

function parse(name: string, options: CommandSpec['options'], argv: readonly string[]) {
  const help = { type: 'boolean', short: 'h' } as const;
  try {
    return parseArgs({ args: [...argv], options: { ...options, help }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`weft ${name}: ${(error as Error).message}; weft ${name} --help lists the options`);
  }
}

function withDefaults(options: CommandSpec['options'], values: Readonly<Record<string, unknown>>): object {
  const named = Object.entries(options).map(([name, { type, multiple, choices }]) => {
    const value = values[name] ?? (type === 'boolean' ? false : multiple === true ? [] : undefined);
    if (choices !== undefined && typeof value === 'string' && !choices.includes(value))
      throw new UsageError(`--${name} ${JSON.stringify(value)}: give one of ${choices.join(', ')}`);
    return [name, value];
  });
  return Object.fromEntries(named) as object;
}
