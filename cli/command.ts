// Turns a definition of options and a function into a command: parses options and answers `--help`.
import { EXIT_OK } from '../daemon/node/exit.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import { checkVerb, parseCommandLine } from './args/parse-command-line.ts';
import type { Command, CommandSpec } from './command-spec.ts';
import { UsageError } from './usage-error.ts';
import { printText } from './output.ts';

/** Values of options: `false`, `undefined` or an empty list for those that are absent. */
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
  /** Maximum number of arguments beside options; default 0. */
  readonly maxArgs?: number;
  readonly run: (values: OptionValues<Options>, args: readonly string[]) => Promise<number>;
}

/** A command that parses its arguments by its own table of options and answers `--help`. */
export function defineCommand<const Options extends CommandSpec['options']>(
  definition: Definition<Options>,
): Command {
  const { name, maxArgs = 0, run, ...spec } = definition;
  return {
    ...spec,
    run: async (argv) => {
      const { values, positionals } = parseCommandLine(name, spec.options, argv);
      if (values['help'] === true) {
        const { formatHelp } = await import('./format/help.ts');
        printText(formatHelp(name, spec));
        return EXIT_OK;
      }
      checkVerb(name, spec.verbs, positionals);
      const [extra] = positionals.slice(maxArgs);
      if (extra !== undefined)
        throw new UsageError(
          `weft ${name} takes no further argument, got ${JSON.stringify(extra)}; see weft ${name} --help`,
        );
      return run(withDefaults(spec.options, values) as OptionValues<Options>, positionals);
    },
  };
}

function withDefaults(options: CommandSpec['options'], values: Readonly<Record<string, unknown>>): object {
  const named = Object.entries(options).map(([name, { type, multiple, choices, default: specDefault }]) => {
    const value =
      values[name] ?? specDefault ?? (type === 'boolean' ? false : multiple === true ? [] : undefined);
    const wrong = choices && [value].flat().find((one) => typeof one === 'string' && !choices.includes(one));
    if (wrong !== undefined) throw wrongChoice(name, wrong as string, choices!);
    return [name, value];
  });
  return Object.fromEntries(named) as object;
}

function wrongChoice(name: string, value: string, choices: readonly string[]): UsageError {
  const similar = didYouMean(value, choices);
  const hint = similar === undefined ? '' : `: did you mean ${similar}?`;
  return new UsageError(`--${name} ${JSON.stringify(value)}: give one of ${choices.join(', ')}${hint}`);
}
