// Log lines of the commands of the backend extension. The output comes from outside: the log escapes
// it.
import type { Logger } from './log.ts';

/** A command that ended, as the log needs it. */
interface EndedCommand {
  readonly setting: string;
  readonly subject: string;
  readonly end: {
    readonly outcome: 'ok' | 'failed' | 'timeout';
    readonly message: string;
    readonly output: string;
  };
  readonly ms: number;
  readonly isRepeated: boolean;
}

const MAX_OUTPUT_CHARACTERS = 1000;

/** The output of each run once; of a failure that repeats itself, that of the first. */
export function logCommandRun(log: Logger, { setting, subject, end, ms, isRepeated }: EndedCommand): void {
  const output = end.output.slice(-MAX_OUTPUT_CHARACTERS);
  const fields = { subject, ms, ...(output !== '' && { output }) };
  if (end.outcome === 'ok') log.info(`Ran ${setting}`, fields);
  else if (!isRepeated) log.error(`${setting} ${end.message}; trying again with pauses`, fields);
}
