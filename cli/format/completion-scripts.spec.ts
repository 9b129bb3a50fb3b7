import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { completionScript } from './completion-scripts.ts';
import { SPECS } from '../fixture/command-specs.ts';

describe('the completion script', () => {
  it('of zsh', () => {
    assert.equal(
      completionScript('zsh', SPECS),
      `#compdef weft
# Completion of zsh for weft: weft completion zsh > "\${fpath[1]}/_weft".
_weft() {
  local -a commands=(
    'show:show a thing, or two: a host'\\''s'
    'old:as it was'
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
    show) _arguments '--colour[which \\[one\\]\\: of two]:value:(red blue)' '*--file[where]:FILE:_files' '--count[how many]:N:' '--json[a program'\\''s text]' '--help[what the command does]' '1:argument:(list get stop start)' '*:: :_default' ;;
    old) _arguments '-q[quietly]' '--help[what the command does]' '*:: :_default' ;;
  esac
}
# Loaded from a folder of functions, this file is the function's first call.
if [[ $funcstack[1] == _weft ]]; then _weft "$@"; else compdef _weft weft; fi
`,
    );
  });

  it('of fish', () => {
    assert.equal(
      completionScript('fish', SPECS),
      `# Completion of fish for weft: weft completion fish > ~/.config/fish/completions/weft.fish.
complete -c weft -f
complete -c weft -n __fish_use_subcommand -a 'show' -d 'show a thing, or two: a host'\\''s'
complete -c weft -n '__fish_seen_subcommand_from show' -a 'list' -d 'all of them'
complete -c weft -n '__fish_seen_subcommand_from show' -a 'get' -d 'one'
complete -c weft -n '__fish_seen_subcommand_from show' -a 'stop' -d 'either'
complete -c weft -n '__fish_seen_subcommand_from show' -a 'start' -d 'either'
complete -c weft -n '__fish_seen_subcommand_from show' -l colour -x -a 'red blue' -d 'which [one]: of two'
complete -c weft -n '__fish_seen_subcommand_from show' -s f -l file -r -F -d 'where'
complete -c weft -n '__fish_seen_subcommand_from show' -l count -x -d 'how many'
complete -c weft -n '__fish_seen_subcommand_from show' -l json -d 'a program'\\''s text'
complete -c weft -n '__fish_seen_subcommand_from show' -l help -d 'what the command does'
complete -c weft -n __fish_use_subcommand -a 'old' -d 'as it was'
complete -c weft -n '__fish_seen_subcommand_from old' -s q -d 'quietly'
complete -c weft -n '__fish_seen_subcommand_from old' -l help -d 'what the command does'
`,
    );
  });

  const cases: readonly (readonly [line: string, completions: string])[] = [
    ['', 'show old'],
    ['sh', 'show'],
    ['show ', 'list get stop start --colour --file --count --json --help'],
    ['show st', 'stop start'],
    ['show --c', '--colour --count'],
    ['show --colour ', 'red blue'],
    ['show --colour b', 'blue'],
    ['show --count ', ''],
    ['show get x --j', '--json'],
    ['old -', '-q --help'],
    ['nothing ', ''],
  ];
  for (const [line, completions] of cases)
    it(`of bash for weft ${line}`, () => {
      const script = `${completionScript('bash', SPECS)}
COMP_WORDS=(weft "$@"); COMP_CWORD=$#; _weft; echo "\${COMPREPLY[*]}"`;
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, 'bash', ...line.split(' ')], {
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      assert.equal(stdout, `${completions}\n`);
    });
});
