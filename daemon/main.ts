// `weft daemon`: options, log, signals and crashes around one Daemon. Turns every end into an exit code.
import { Daemon } from './daemon.ts';
import { EXIT_FAILURE, EXIT_OK, handleCrashes, handleSignals } from './exit.ts';
import { createLogger } from './log.ts';
import type { DaemonOptions } from './options.ts';
import { versionLine } from './usage.ts';

/** Runs until a signal comes (which ends the process) or until it cannot run. Resolves with the exit code. */
export async function runDaemon(options: DaemonOptions, warnings: readonly string[]): Promise<number> {
  const password = options.etcd.auth?.password.reveal();
  const log = createLogger({ ...options.log, secrets: password === undefined ? [] : [password] });
  handleCrashes({ log });
  log.info(`Starting ${versionLine()}`, { node: process.version, pid: process.pid });
  for (const warning of warnings) log.warn(warning);
  const daemon = new Daemon(options, log);
  handleSignals({ onStop: () => daemon.stop(), onResync: () => daemon.resync() }, { log });
  try {
    await daemon.run();
    return EXIT_OK;
  } catch (error) {
    log.error((error as Error).message);
    await daemon.stop();
    return EXIT_FAILURE;
  }
}
