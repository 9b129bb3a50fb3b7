// The words of every command, loaded: what completion and the man page are made from.
import type { CommandEntry, CommandWords } from './command.ts';
import { COMMANDS } from './commands.ts';

export interface NamedWords extends CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly group: CommandEntry['group'];
}

/** In the order of the table. */
export async function loadAllWords(): Promise<readonly NamedWords[]> {
  const all: NamedWords[] = [];
  for (const [name, { summary, group, load }] of Object.entries(COMMANDS))
    all.push({ name, summary, group, ...(await load()) });
  return all;
}
