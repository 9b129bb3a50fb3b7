// `weft completion SHELL`: the completion script of a shell.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { loadCommandSpecs, type Command, type CommandTable } from '../command-spec.ts';
import { completionScript, SHELLS, type Shell } from '../format/completion-scripts.ts';
import { UsageError } from '../usage-error.ts';
import { printText } from '../output.ts';

export function createCompletionCommand(table: CommandTable): Command {
  return defineCommand({
    name: 'completion',
    synopsis: ['bash|zsh|fish'],
    about: 'Prints the script by which a shell completes the arguments of weft.',
    verbs: {
      bash: 'source <(weft completion bash)',
      zsh: 'weft completion zsh > "${fpath[1]}/_weft"',
      fish: 'weft completion fish > ~/.config/fish/completions/weft.fish',
    },
    options: {},
    examples: [
      ['weft completion bash > /etc/bash_completion.d/weft', 'for all users of this host'],
      ['source <(weft completion bash)', 'in this shell'],
    ],
    maxArgs: 1,
    run: async (_values, [shell]) => {
      if (!SHELLS.includes(shell as Shell))
        throw new UsageError(`weft completion needs a shell: give one of ${SHELLS.join(', ')}`);
      printText(completionScript(shell as Shell, await loadCommandSpecs(table)));
      return EXIT_OK;
    },
  });
}
