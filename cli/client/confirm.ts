// Asks before something is done that others may feel.
import { createInterface } from 'node:readline/promises';
import { UsageError } from '../usage-error.ts';

/** Whether the operator says yes. @throws UsageError where nobody can be asked: --yes says it then. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError(`${question} Nobody can be asked here: say --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
