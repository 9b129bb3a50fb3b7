// `weft daemon`: answers help, version and wrong usage by itself, and loads the daemon only to run it.
import { EXIT_OK } from '../daemon/exit.ts';
import { parseCommandLine } from '../daemon/options.ts';
import { answerCommandLine } from '../daemon/usage.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Runs until a signal comes. Resolves with the exit code. */
export async function daemonCommand(argv: readonly string[]): Promise<number> {
  const commandLine = parseCommandLine(argv, process.env);
  if (commandLine.kind !== 'run')
    return answerCommandLine(commandLine, {
      out: (text) => void process.stdout.write(text),
      error: (text) => void process.stderr.write(text),
    });
  // Loading takes a moment, in which there is nothing to end but the process.
  const end = (): never => process.exit(EXIT_OK);
  for (const signal of STOP_SIGNALS) process.on(signal, end);
  const { runDaemon } = await import('../daemon/main.ts');
  const running = runDaemon(commandLine.options, commandLine.warnings);
  // Not before the daemon listens itself: without any listener a signal that has come but was not seen yet would be lost.
  for (const signal of STOP_SIGNALS) process.off(signal, end);
  return running;
}
