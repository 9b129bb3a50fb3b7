// `weft schema`: prints the JSON Schema of the network config, for editors and checks before `etcdctl put`.
import { networkConfigSchema } from '../../allocator/config/config-schema.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';

export const schemaCommand = defineCommand({
  name: 'schema',
  synopsis: [''],
  about: 'The JSON Schema (draft 2020-12) of the network config, which editors complete and check by.',
  options: {},
  examples: [['weft schema > network-config.schema.json', 'for an editor']],
  run: () => {
    process.stdout.write(`${JSON.stringify(networkConfigSchema, null, 2)}\n`);
    return Promise.resolve(EXIT_OK);
  },
});
