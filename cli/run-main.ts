// Turns the outcome of a command into an exit code and, on failure, one line on standard error.
import { WeftError, type ErrorCode } from '../api/errors.ts';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../daemon/node/exit.ts';
import { describeError } from '../daemon/log/log-format.ts';
import { EXIT_NO_DAEMON } from './exit-codes.ts';
import { oneLine, printError } from './output.ts';

/** Errors of the command line itself, whose message needs no code. */
const PLAIN_CODES: readonly ErrorCode[] = [
  'USAGE',
  'DAEMON_UNREACHABLE',
  'DAEMON_RUNNING',
  'CONTROL_REQUEST_REJECTED',
  'LEASE_CHANGE_REJECTED',
  'CNI_INSTALL_FAILED',
];

/** Runs a command, which returns its exit code, and exits. */
export async function runMain(run: () => Promise<number>): Promise<never> {
  process.stdout.on('error', exitOnBrokenPipe);
  let code = EXIT_FAILURE;
  try {
    code = await run();
  } catch (error) {
    printError(`weft: ${formatFailure(error)}${hintFor(error)}\n`);
    code = exitCodeOf(error);
  }
  process.exit(code);
}

/** The message with causes. A code, as of the registry, leads to docs/reference/events-and-errors.md. */
function formatFailure(error: unknown): string {
  // Errors of the command line and of a lab may have several lines.
  const isOneLine = error instanceof WeftError && error.code !== 'USAGE';
  const text = isOneLine ? oneLine(describeError(error)) : describeError(error);
  const hasCode = error instanceof WeftError && !PLAIN_CODES.includes(error.code);
  return hasCode ? `${text} (${error.code})` : text;
}

/** Commands that connect to etcd default to this host, where etcd may not run. */
function hintFor(error: unknown): string {
  const isUnavailable = error instanceof Error && 'code' in error && error.code === 'REGISTRY_UNAVAILABLE';
  return isUnavailable ? '; name etcd with --etcd-endpoints if it is elsewhere, or see weft doctor' : '';
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof WeftError)) return EXIT_FAILURE;
  if (error.code === 'USAGE') return EXIT_USAGE;
  if (error.code === 'DAEMON_UNREACHABLE') return EXIT_NO_DAEMON;
  // RejectedError is not loaded by commands that send no request.
  const isBadRequest = 'rejection' in error && String(error.rejection).startsWith('bad-');
  return isBadRequest ? EXIT_USAGE : EXIT_FAILURE;
}

/** `weft schema | head` is no failure. */
function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE);
}
