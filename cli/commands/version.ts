// `weft version`.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { versionLine } from '../../daemon/node/usage.ts';
import { defineCommand } from '../command.ts';

export const versionCommand = defineCommand({
  name: 'version',
  synopsis: [''],
  about: 'The version of this program.',
  options: {},
  examples: [['weft version', 'for example in a bug report']],
  run: () => {
    process.stdout.write(`${versionLine()}\n`);
    return Promise.resolve(EXIT_OK);
  },
});
