// The text of `weft COMMAND --help`, made from the command's specification.
import type { CommandSpec, OptionSpec } from '../command-spec.ts';
import { formatTable } from './table.ts';

export function formatHelp(name: string, spec: CommandSpec): string {
  const forms = spec.synopsis.map((form) => `weft ${name} ${form}`.trimEnd());
  const sections = [
    `Usage: ${forms.join('\n       ')}\n\n${spec.about.trim()}\n`,
    section('Verbs', Object.entries(spec.verbs ?? {})),
    section('Options', [...Object.entries(spec.options).map(optionRow), ['-h, --help', 'print this help']]),
    section('Examples', spec.examples),
    section('Exit codes', Object.entries(spec.exitCodes ?? {})),
  ];
  return sections.join('');
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  if (rows.length === 0) return '';
  return `\n${title}\n${formatTable(rows.flatMap(wrapRow), { indent: 2 })}`;
}

/** Width at which descriptions wrap. */
const WRAP_AT = 100;

function wrapRow([first, text]: readonly [string, string]): readonly (readonly [string, string])[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + word.length >= WRAP_AT) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map((line, index) => [index === 0 ? first : '', line]);
}

function optionRow([name, option]: [string, OptionSpec]): readonly [string, string] {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  return [`${short}${spell(name)}${valueOf(option)}`, option.help];
}

/** An option as typed: `--name`, or `-n` for a name of one letter. */
export function spell(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** For example ` PATH`; nothing for a boolean. */
export function valueOf({ type, value, choices }: OptionSpec): string {
  if (type === 'boolean') return '';
  return ` ${value ?? choices?.join('|') ?? 'TEXT'}`;
}
