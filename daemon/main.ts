// `weft daemon`: options, log, signals and crashes around one Daemon. Turns every end into an exit code. What an earlier process
// left is at work again before most of the code is loaded, which takes longer than all that.
import type { Daemon } from './node/daemon.ts';
import { EXIT_FAILURE, EXIT_OK, handleCrashes, handleSignals } from './node/exit.ts';
import { adoptDevices } from './handover/handover.ts';
import { loadNative } from '../native/index.ts';
import { createLogger } from './log/log.ts';
import type { DaemonOptions } from './options/options.ts';
import { versionLine } from './node/usage.ts';

/** Runs until a signal comes (which ends the process) or until it cannot run. Resolves with the exit code. */
export async function runDaemon(options: DaemonOptions, warnings: readonly string[]): Promise<number> {
  const password = options.etcd.auth?.password.reveal();
  const log = createLogger({ ...options.log, secrets: password === undefined ? [] : [password] });
  let daemon: Daemon | undefined;
  handleCrashes({ log });
  // Until there is a daemon there is nothing to end but the process.
  handleSignals({ onStop: async () => daemon?.stop(), onResync: () => daemon?.resync() }, { log });
  log.info(`Starting ${versionLine()}`, { node: process.version, pid: process.pid });
  for (const warning of warnings) log.warn(warning);
  const inheritance = adoptDevices(options.tuning, { native: loadNative().native, log });
  const { Daemon } = await import('./node/daemon.ts');
  daemon = new Daemon(options, log, inheritance);
  try {
    await daemon.run();
    return EXIT_OK;
  } catch (error) {
    log.error((error as Error).message);
    await daemon.stop();
    return EXIT_FAILURE;
  }
}
