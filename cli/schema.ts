// `weft schema`: prints the JSON Schema of the network config, for editors and checks before `etcdctl put`.
import { networkConfigSchema } from '../allocator/config-schema.ts';
import { UsageError } from './usage-error.ts';

/** Prints the schema. Resolves with the exit code. @throws UsageError for any word but a wish for help. */
export function schemaCommand(argv: readonly string[]): Promise<number> {
  const [word] = argv;
  if (word === '--help' || word === '-h')
    process.stdout.write('Usage: weft schema > network-config.schema.json\n');
  else if (word !== undefined)
    throw new UsageError(`weft schema takes no words, got ${JSON.stringify(word)}`);
  else process.stdout.write(`${JSON.stringify(networkConfigSchema, null, 2)}\n`);
  return Promise.resolve(0);
}
