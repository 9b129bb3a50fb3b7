// Where the bundle of the commands that only ask enters JavaScript: `node weft-front.cjs COMMAND`, one of ASKING.
import { ASKING } from './asking-commands.ts';
import { exitWith } from './exit-with.ts';

void exitWith(async () => {
  const [name = '', ...words] = process.argv.slice(2);
  return (await ASKING[name]!.load()).run(words);
});
