// Parses the arguments of a command by its table of options. Every message is weft's own: what was
// given, what is wrong with it, and what was probably meant. Pure.
import { parseArgs } from 'node:util';
import { didYouMean } from '../../lib/did-you-mean.ts';
import { verbsOfForm, type CommandSpec, type OptionSpec } from '../command-spec.ts';
import { UsageError } from '../usage-error.ts';

export interface ParsedCommandLine {
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
}

const HELP = { type: 'boolean', short: 'h', help: 'print this help' } as const satisfies OptionSpec;

/** @throws UsageError */
export function parseCommandLine(
  name: string,
  spec: CommandSpec['options'],
  argv: readonly string[],
): ParsedCommandLine {
  const options: CommandSpec['options'] = { ...spec, help: HELP };
  const parsed = parseArgs({
    args: [...argv],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of parsed.tokens) if (token.kind === 'option') checkOption(name, token, options);
  return parsed;
}

interface OptionToken {
  readonly name: string;
  /** As it was typed, without a value behind `=`. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkOption(command: string, token: OptionToken, options: CommandSpec['options']): void {
  const { rawName, value, inlineValue } = token;
  const fail = (problem: string): never => {
    throw new UsageError(`weft ${command}: ${problem}; see weft ${command} --help`);
  };
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (option === undefined) return fail(unknownOption(rawName, options));
  if (option.type === 'boolean') {
    if (value !== undefined) fail(`${rawName} takes no value, got ${JSON.stringify(value)}`);
  } else if (value === undefined) fail(`${rawName} needs a value: ${rawName} ${placeholderOf(option)}`);
  // Probably the value was forgotten. A lone dash is standard input.
  else if (inlineValue !== true && value.length > 1 && value.startsWith('-'))
    fail(
      `${rawName} needs a value, and ${JSON.stringify(value)} is an option; to mean it, write ${joined(rawName, value)}`,
    );
}

function unknownOption(rawName: string, options: CommandSpec['options']): string {
  const similar = rawName.startsWith('--') ? didYouMean(rawName.slice(2), Object.keys(options)) : undefined;
  return `it has no option ${rawName}${similar === undefined ? '' : `; did you mean --${similar}?`}`;
}

function placeholderOf({ value, choices }: OptionSpec): string {
  return value ?? choices?.join('|') ?? 'TEXT';
}

function joined(rawName: string, value: string): string {
  return rawName.startsWith('--') ? `${rawName}=${value}` : `${rawName}${value}`;
}

/** @throws UsageError for a first argument that is none of the command's verbs. */
export function checkVerb(
  command: string,
  verbs: CommandSpec['verbs'],
  positionals: readonly string[],
): void {
  const [given] = positionals;
  if (verbs === undefined || given === undefined) return;
  const names = [...new Set(Object.keys(verbs).flatMap(verbsOfForm))];
  if (names.includes(given)) return;
  const similar = didYouMean(given, names);
  throw new UsageError(
    `weft ${command} ${JSON.stringify(given)}: give one of ${names.join(', ')}${similar === undefined ? '' : `: did you mean ${similar}?`}`,
  );
}
