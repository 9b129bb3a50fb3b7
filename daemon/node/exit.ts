// How the process ends, and what signals do. Exit codes mean: 0 a stop that was asked for, 2 wrong
// usage, 1 the rest. Does not know what stopping takes.
import { describeError } from '../log/log-format.ts';
import type { Logger } from '../log/log.ts';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** How long a stop may take before it is forced. */
const STOP_DEADLINE_MS = 1000;

export interface SignalHandlers {
  /**
   * SIGTERM or SIGINT came. The process exits with 0 when the promise resolves, with 1 if it does
   * not in time.
   */
  onStop(signal: NodeJS.Signals): Promise<void>;
  /** SIGHUP came: read everything again. */
  onResync(): void;
}

export interface ExitOptions {
  readonly log: Logger;
  /** Ends the process; default `process.exit`. */
  readonly exit?: (code: number) => void;
  /** Where signals and crashes are reported; default `process`. */
  readonly source?: NodeJS.EventEmitter;
  /** Default 1000. */
  readonly stopDeadlineMs?: number;
}

/**
 * Handles signals until the returned function is called. The first stop signal stops, the second
 * ends at once.
 */
export function handleSignals(handlers: SignalHandlers, options: ExitOptions): () => void {
  const { log } = options;
  const exit = options.exit ?? ((code) => process.exit(code));
  let isStopping = false;
  const onStopSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      log.warn('Second signal: ending at once', { signal });
      exit(EXIT_FAILURE);
      return;
    }
    isStopping = true;
    log.info('Stopping; kernel state stays', { signal });
    void stopInTime(handlers.onStop(signal), options).then(exit);
  };
  const onHangUp = (): void => {
    log.info('SIGHUP: reading everything again');
    handlers.onResync();
  };
  return listen(options.source ?? process, { SIGTERM: onStopSignal, SIGINT: onStopSignal, SIGHUP: onHangUp });
}

/**
 * Ends the process with one line and code 1 on an uncaught error. Returns a function that undoes
 * it.
 */
export function handleCrashes(options: ExitOptions): () => void {
  const exit = options.exit ?? ((code) => process.exit(code));
  const onCrash = (error: unknown): void => {
    try {
      reportCrash(options.log, error);
    } finally {
      exit(EXIT_FAILURE);
    }
  };
  return listen(options.source ?? process, { uncaughtException: onCrash, unhandledRejection: onCrash });
}

function reportCrash(log: Logger, error: unknown): void {
  log.error(`Unexpected error: ${describeError(error)}`, () => {
    const isStackWanted = log.isEnabled('debug') && error instanceof Error;
    return isStackWanted ? { stack: error.stack } : {};
  });
}

async function stopInTime(stopping: Promise<void>, options: ExitOptions): Promise<number> {
  const deadlineMs = options.stopDeadlineMs ?? STOP_DEADLINE_MS;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  try {
    if ((await Promise.race([stopping, late])) !== 'late') return EXIT_OK;
    options.log.error(`Stopping took longer than ${deadlineMs} ms; ending anyway`);
  } catch (error) {
    options.log.error(`Stopping failed: ${describeError(error)}`);
  } finally {
    clearTimeout(timer);
  }
  return EXIT_FAILURE;
}

function listen(
  source: NodeJS.EventEmitter,
  handlers: Record<string, (argument: never) => void>,
): () => void {
  const entries = Object.entries(handlers) as [string, (argument: unknown) => void][];
  for (const [event, handler] of entries) source.on(event, handler);
  return () => {
    for (const [event, handler] of entries) source.off(event, handler);
  };
}
