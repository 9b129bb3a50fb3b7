// `weft schema`: prints the JSON Schema of the network config, for editors and checks before
// `etcdctl put`.
import { networkConfigSchema } from '../../allocator/config/config-schema.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { printText } from '../output.ts';

export const schemaCommand = defineCommand({
  name: 'schema',
  synopsis: [''],
  about:
    'Prints the JSON Schema (draft 2020-12) of the network config, for completion and checks in editors.',
  options: {},
  examples: [['weft schema > network-config.schema.json', 'write a file for an editor']],
  run: () => {
    printText(`${JSON.stringify(networkConfigSchema, null, 2)}\n`);
    return Promise.resolve(EXIT_OK);
  },
});
