// The error for a name that is no command.
import { didYouMean } from '../lib/did-you-mean.ts';
import type { CommandTable } from './command-spec.ts';
import { UsageError } from './usage-error.ts';

export function unknownCommand(name: string, table: CommandTable): UsageError {
  const similar = didYouMean(name, Object.keys(table));
  const flag = name.split('=')[0];
  if (name.startsWith('-'))
    return new UsageError(
      `${flag} stands before a command; for the daemon's flags write: weft daemon ${flag}`,
    );
  const hint = similar === undefined ? 'weft help lists the commands' : `did you mean weft ${similar}?`;
  return new UsageError(`${JSON.stringify(name)} is no command; ${hint}`);
}
