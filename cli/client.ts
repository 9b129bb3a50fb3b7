// Where the bundle of the commands that only ask enters JavaScript: `node weft-client.cjs COMMAND`, one of ASKING.
import { ASKING } from './client-commands.ts';
import { exitWith } from './run-main.ts';

void exitWith(async () => {
  const [name = '', ...words] = process.argv.slice(2);
  return (await ASKING[name]!.load()).run(words);
});
