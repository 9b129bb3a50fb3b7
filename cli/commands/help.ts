// `weft help`, `weft help COMMAND`: the list of commands, or one command's help.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { GROUPS, type Command, type CommandTable } from '../command-spec.ts';
import { formatTable } from '../format/table.ts';
import { unknownCommand } from '../unknown-command.ts';
import { printText } from '../output.ts';

export function createHelpCommand(table: CommandTable): Command {
  return defineCommand({
    name: 'help',
    synopsis: ['[COMMAND]'],
    about: 'Lists the commands; with COMMAND prints what its --help prints.',
    options: {},
    examples: [['weft help status', 'the same as weft status --help']],
    maxArgs: 1,
    run: async (_values, [name]) => {
      if (name !== undefined) {
        if (!Object.hasOwn(table, name)) throw unknownCommand(name, table);
        return (await table[name]!.load()).run(['--help']);
      }
      printText(formatCommands(table));
      return EXIT_OK;
    },
  });
}

/** All commands by group. */
export function formatCommands(table: CommandTable): string {
  // The sections line up with each other.
  const width = Math.max(...Object.keys(table).map((name) => name.length));
  const sections = Object.entries(GROUPS).map(([group, title]) => {
    const entries = Object.entries(table).filter(([, command]) => command.group === group);
    const rows = entries.map(([name, { summary }]) => [name.padEnd(width), summary]);
    return rows.length === 0 ? '' : `\n${title}\n${formatTable(rows, { indent: 2 })}`;
  });
  return `Usage: weft COMMAND [arguments]; see weft COMMAND --help\n${sections.join('')}`;
}
