// `weft help`, `weft help COMMAND`: the list of commands, or one command's help.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { COMMANDS, GROUPS } from '../commands.ts';
import { formatTable } from '../format/table.ts';
import { unknownCommand } from '../unknown-command.ts';

export const helpCommand = defineCommand({
  name: 'help',
  synopsis: ['[COMMAND]'],
  about: 'The list of commands; with a COMMAND what its --help prints.',
  options: {},
  examples: [['weft help status', 'the same as weft status --help']],
  maxArgs: 1,
  run: async (_values, [name]) => {
    if (name !== undefined) {
      if (!Object.hasOwn(COMMANDS, name)) throw unknownCommand(name);
      return (await COMMANDS[name]!.load()).run(['--help']);
    }
    process.stdout.write(formatCommands());
    return EXIT_OK;
  },
});

/** All commands by group. */
export function formatCommands(): string {
  const sections = Object.entries(GROUPS).map(([group, title]) => {
    const entries = Object.entries(COMMANDS).filter(([, command]) => command.group === group);
    const rows = entries.map(([name, { summary }]) => [name, summary]);
    return rows.length === 0 ? '' : `\n${title}\n${formatTable(padded(rows), { indent: 2 })}`;
  });
  return `Usage: weft COMMAND [words]; weft COMMAND --help tells more\n${sections.join('')}`;
}

/** The sections line up with each other. */
function padded(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return rows.map(([name = '', summary = '']) => [name.padEnd(width), summary]);
}
