// Completion scripts of bash, zsh and fish, made from the specifications of commands. Pure.
import { verbsOfForm, type NamedCommandSpec, type OptionSpec } from '../command-spec.ts';
import { spell } from './help.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The completion script of a shell. */
export function completionScript(shell: Shell, commands: readonly NamedCommandSpec[]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands);
}

const HELP: readonly [string, OptionSpec] = ['help', { type: 'boolean', help: 'what the command does' }];

function optionsOf({ options }: NamedCommandSpec): readonly (readonly [string, OptionSpec])[] {
  return [...Object.entries(options), HELP];
}

function verbsOf({ verbs = {} }: NamedCommandSpec): readonly (readonly [verb: string, help: string])[] {
  return Object.entries(verbs).flatMap(([form, help]) =>
    verbsOfForm(form).map((verb) => [verb, help] as const),
  );
}

function isFile({ type, value }: OptionSpec): boolean {
  return type === 'string' && (value === 'FILE' || value === 'PATH');
}

function bashScript(commands: readonly NamedCommandSpec[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const candidates = commands.map((command) => {
    const options = optionsOf(command).map(([name]) => spell(name));
    const verbs = command.name === 'help' ? names.split(' ') : verbsOf(command).map(([verb]) => verb);
    return `    ${command.name}) candidates='${[...verbs, ...options].join(' ')}' ;;\n`;
  });
  const values = commands.flatMap((command) =>
    optionsOf(command).flatMap(([name, option]) => {
      const position = `'${command.name} ${spell(name)}'`;
      if (option.choices) return [`    ${position}) candidates='${option.choices.join(' ')}' ;;\n`];
      if (isFile(option)) return [`    ${position}) COMPREPLY=($(compgen -f -- "$current")); return ;;\n`];
      return option.type === 'string' ? [`    ${position}) return ;;\n`] : [];
    }),
  );
  return `# Completion of bash for weft: source <(weft completion bash), or in /etc/bash_completion.d.
_weft() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} candidates=''
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${names}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${candidates.join('')}  esac
  case "\${COMP_WORDS[1]} $previous" in
${values.join('')}  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -F _weft weft
`;
}

function zshScript(commands: readonly NamedCommandSpec[]): string {
  const list = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}\n`);
  const cases = commands.map((command) => {
    const options = optionsOf(command).map(([name, option]) => quote(zshOption(name, option)));
    const verbs =
      command.name === 'help' ? commands.map(({ name }) => name) : verbsOf(command).map(([verb]) => verb);
    const rest = verbs.length === 0 ? [] : [quote(`1:argument:(${verbs.join(' ')})`)];
    return `    ${command.name}) _arguments ${[...options, ...rest].join(' ')} '*:: :_default' ;;\n`;
  });
  return `#compdef weft
# Completion of zsh for weft: weft completion zsh > "\${fpath[1]}/_weft".
_weft() {
  local -a commands=(
${list.join('')}  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('')}  esac
}
# Loaded from a folder of functions, this file is the function's first call.
if [[ $funcstack[1] == _weft ]]; then _weft "$@"; else compdef _weft weft; fi
`;
}

function zshOption(name: string, option: OptionSpec): string {
  const help = option.help.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
  const repeat = option.multiple === true ? '*' : '';
  const action = option.choices ? `(${option.choices.join(' ')})` : isFile(option) ? '_files' : '';
  const value = option.type === 'string' ? `:${option.value ?? 'value'}:${action}` : '';
  return `${repeat}${spell(name)}[${help}]${value}`;
}

function fishScript(commands: readonly NamedCommandSpec[]): string {
  const lines = commands.flatMap((command) => {
    const { name, summary } = command;
    const condition = `-n '__fish_seen_subcommand_from ${name}'`;
    const verbs = verbsOf(command).map(([verb, help]) => `${condition} -a ${quote(verb)} -d ${quote(help)}`);
    const options = optionsOf(command).map(
      ([optionName, option]) => `${condition} ${fishOption(optionName, option)}`,
    );
    return [`-n __fish_use_subcommand -a ${quote(name)} -d ${quote(summary)}`, ...verbs, ...options];
  });
  return `# Completion of fish for weft: weft completion fish > ~/.config/fish/completions/weft.fish.
complete -c weft -f
${lines.map((line) => `complete -c weft ${line}\n`).join('')}`;
}

function fishOption(name: string, option: OptionSpec): string {
  const letters = option.short === undefined ? '' : `-s ${option.short} `;
  const spelled = name.length === 1 ? `-s ${name}` : `${letters}-l ${name}`;
  const choices = option.choices ? ` -a ${quote(option.choices.join(' '))}` : '';
  const value = option.type === 'boolean' ? '' : isFile(option) ? ' -r -F' : ' -x';
  return `${spelled}${value}${choices} -d ${quote(option.help)}`;
}

/** Quotes for all three shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
