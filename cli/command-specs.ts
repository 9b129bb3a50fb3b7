// The words of every command, loaded: what completion and the man page are made from.
import type { CommandEntry, CommandSpec } from './command.ts';
import { COMMANDS } from './commands.ts';

export interface NamedCommandSpec extends CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly group: CommandEntry['group'];
}

/** In the order of the table. */
export async function loadAllWords(): Promise<readonly NamedCommandSpec[]> {
  const all: NamedCommandSpec[] = [];
  for (const [name, { summary, group, load }] of Object.entries(COMMANDS))
    all.push({ name, summary, group, ...(await load()) });
  return all;
}
