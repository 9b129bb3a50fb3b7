// `weft version`: the version of this program.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { versionLine } from '../../daemon/node/usage.ts';
import { defineCommand } from '../command.ts';
import { printText } from '../output.ts';

export const versionCommand = defineCommand({
  name: 'version',
  synopsis: [''],
  about: 'Prints the version of this program.',
  options: {},
  examples: [['weft version', 'print the version for a bug report']],
  run: () => {
    printText(`${versionLine()}\n`);
    return Promise.resolve(EXIT_OK);
  },
});
