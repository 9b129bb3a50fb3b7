// Entry of the bundle of client commands: `node weft-client.cjs COMMAND`, one of CLIENT_COMMANDS.
import { CLIENT_COMMANDS } from './client-commands.ts';
import { runMain } from './run-main.ts';

void runMain(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  return (await CLIENT_COMMANDS[name]!.load()).run(args);
});
