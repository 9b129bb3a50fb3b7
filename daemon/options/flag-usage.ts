// Formats the usage text of a set of flags from their definitions, defaults and bounds included.
import { environmentName, type FlagDefinition, type FlagDefinitions } from './flag-definition.ts';

const WIDTH = 100;
const INDENT = '      ';

/** One paragraph a flag, in the order of definition. Ends with a newline. */
export function formatFlagUsage(flags: FlagDefinitions, envPrefix: string): string {
  let text = '';
  for (const [name, flag] of Object.entries(flags)) {
    const facts = factsOf(name, flag, envPrefix);
    text += `  --${name}${placeholderOf(flag)}\n${wrap(`${flag.help} ${facts}`.trim())}\n`;
  }
  return text;
}

function placeholderOf(flag: FlagDefinition): string {
  switch (flag.type) {
    case 'bool':
      return flag.default ? '=false' : '';
    case 'int':
      return '=N';
    case 'duration-seconds':
      return '=SECONDS';
    case 'repeatable':
      return '=TEXT (repeatable)';
    case 'string':
      return `=${flag.choices?.join('|') ?? 'TEXT'}`;
  }
}

function factsOf(name: string, flag: FlagDefinition, envPrefix: string): string {
  const facts: string[] = [];
  const shown = String(flag.default);
  if (shown !== '') facts.push(`default ${shown}`);
  if ('bound' in flag && flag.bound !== undefined) facts.push(`${flag.bound[0]}..${flag.bound[1]}`);
  const variable = environmentName(name, flag, envPrefix);
  if (variable !== undefined) facts.push(`env ${variable}`);
  return facts.length === 0 ? '' : `[${facts.join('; ')}]`;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = INDENT;
  for (const token of text.split(' ')) {
    if (line.length + token.length >= WIDTH && line !== INDENT) {
      lines.push(line.trimEnd());
      line = INDENT;
    }
    line += `${token} `;
  }
  return [...lines, line.trimEnd()].join('\n');
}
