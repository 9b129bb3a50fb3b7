// `weft daemon`: answers help, version and wrong usage by itself, and loads the daemon only to run it.
import { parseCommandLine } from '../daemon/options.ts';
import { answerCommandLine } from '../daemon/usage.ts';

/** Runs until a signal comes. Resolves with the exit code. */
export async function daemonCommand(argv: readonly string[]): Promise<number> {
  const commandLine = parseCommandLine(argv, process.env);
  if (commandLine.kind !== 'run')
    return answerCommandLine(commandLine, {
      out: (text) => void process.stdout.write(text),
      error: (text) => void process.stderr.write(text),
    });
  const { runDaemon } = await import('../daemon/main.ts');
  return runDaemon(commandLine.options, commandLine.warnings);
}
