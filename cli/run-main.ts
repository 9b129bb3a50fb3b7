// Turns the outcome of a command into an exit code and, if it failed, one line.
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../daemon/node/exit.ts';
import { describeError } from '../daemon/log/log-format.ts';
import { EXIT_NO_DAEMON } from './exit-codes.ts';
import { UsageError } from './usage-error.ts';

/** Runs a command, which returns its exit code, and exits. */
export async function exitWith(run: () => Promise<number>): Promise<never> {
  process.stdout.on('error', exitOnBrokenPipe);
  let code = EXIT_FAILURE;
  try {
    code = await run();
  } catch (error) {
    process.stderr.write(`weft: ${describeError(error)}${remedyOf(error as Error)}\n`);
    code = exitCodeOf(error as Error);
  }
  process.exit(code);
}

/** Whoever asks etcd may ask at the wrong place, as the address that is asked unasked is this host. */
function remedyOf(error: Error): string {
  const isAway = 'code' in error && error.code === 'REGISTRY_UNAVAILABLE';
  return isAway ? '; name etcd with --etcd-endpoints if it is elsewhere, or see weft doctor' : '';
}

/** By name, as the classes need not be loaded for commands that ask no daemon. */
function exitCodeOf(error: Error): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error.name === 'NoDaemonError') return EXIT_NO_DAEMON;
  const isWrongWord = 'refusal' in error && String(error.refusal).startsWith('bad-');
  return isWrongWord ? EXIT_USAGE : EXIT_FAILURE;
}

/** `weft schema | head` is no failure. */
function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE);
}
