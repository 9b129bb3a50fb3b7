// `weft man`: the manual page.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { weftVersion } from '../../daemon/node/version.ts';
import { defineCommand } from '../command.ts';
import { loadCommandSpecs, type Command, type CommandTable } from '../command-spec.ts';
import { formatManPage } from '../format/man-page.ts';
import { printText } from '../output.ts';

export function createManCommand(table: CommandTable): Command {
  return defineCommand({
    name: 'man',
    synopsis: [''],
    about: 'Prints the manual page of weft with all commands, as source for man.',
    options: {},
    examples: [
      ['weft man | man -l -', 'read it'],
      ['weft man > /usr/local/share/man/man1/weft.1', 'for all users of this host'],
    ],
    run: async () => {
      printText(formatManPage(await loadCommandSpecs(table), weftVersion()));
      return EXIT_OK;
    },
  });
}
