// Asks the operator before a change that other hosts may notice.
import { createInterface } from 'node:readline/promises';
import { UsageError } from '../usage-error.ts';
import { oneLine } from '../output.ts';

/** The operator's answer; `undefined` without a terminal. */
export async function askOnTerminal(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question(`${oneLine(question)} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

/** Whether the operator confirms. @throws UsageError without a terminal. */
export async function confirm(question: string): Promise<boolean> {
  const answer = await askOnTerminal(question);
  if (answer === undefined) throw new UsageError(`${question} No terminal to ask on: give --yes`);
  return answer;
}
