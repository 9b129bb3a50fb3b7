// What to say of a word that is no command.
import { didYouMean } from '../lib/did-you-mean.ts';
import { COMMANDS } from './commands.ts';
import { UsageError } from './usage-error.ts';

export function unknownCommand(word: string): UsageError {
  const near = didYouMean(word, Object.keys(COMMANDS));
  const flag = word.split('=')[0];
  if (word.startsWith('-'))
    return new UsageError(
      `${flag} stands before a command; for the daemon's flags write: weft daemon ${flag}`,
    );
  const hint = near === undefined ? 'weft help lists the commands' : `did you mean weft ${near}?`;
  return new UsageError(`${JSON.stringify(word)} is no command; ${hint}`);
}
