// `weft man`.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { weftVersion } from '../../daemon/node/version.ts';
import { loadAllWords } from '../command-specs.ts';
import { defineCommand } from '../command.ts';
import { formatManPage } from '../format/man-page.ts';

export const manCommand = defineCommand({
  name: 'man',
  synopsis: [''],
  about: 'Prints the manual page of weft, which has all commands, as source for man.',
  options: {},
  examples: [
    ['weft man | man -l -', 'read it'],
    ['weft man > /usr/local/share/man/man1/weft.1', 'for everybody on this host'],
  ],
  run: async () => {
    process.stdout.write(formatManPage(await loadAllWords(), weftVersion()));
    return EXIT_OK;
  },
});
