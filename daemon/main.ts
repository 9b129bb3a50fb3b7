// `weft daemon`: options, log, signals and crashes around one Daemon. Turns every end into an exit
// code. Resumes handed-over devices before loading the rest of the code, which takes longer.
import type { ServeCni } from './control/server.ts';
import type { Daemon } from './node/daemon.ts';
import { EXIT_FAILURE, EXIT_OK, handleCrashes, handleSignals } from './node/exit.ts';
import { checkFileLimit } from './host/file-limit.ts';
import { adoptDevices } from './handover/handover.ts';
import { systemClock } from '../lib/clock.ts';
import { loadNative } from '../native/index.ts';
import { createLogger } from './log/log.ts';
import type { DaemonOptions } from './options/options.ts';
import { versionLine } from './node/usage.ts';

/**
 * Runs until a signal comes (which ends the process) or until it cannot run. Resolves with the exit
 * code.
 */
export async function runDaemon(
  options: DaemonOptions,
  warnings: readonly string[],
  serveCni: ServeCni,
): Promise<number> {
  const password = options.etcd.auth?.password.reveal();
  const log = createLogger({ ...options.log, secrets: password === undefined ? [] : [password] });
  let daemon: Daemon | undefined;
  handleCrashes({ log });
  // Before there is a daemon, only the process is to end.
  handleSignals({ onStop: async () => daemon?.stop(), onResync: () => daemon?.resync() }, { log });
  log.info(`Starting ${versionLine()}`, { node: process.version, pid: process.pid });
  for (const warning of warnings) log.warn(warning);
  const fileLimit = checkFileLimit();
  if (fileLimit !== undefined) log[fileLimit.level](fileLimit.message);
  if (fileLimit?.level === 'error') return EXIT_FAILURE;
  const addon = loadNative();
  const handover = adoptDevices({ native: addon.native, tuning: options.tuning, log });
  const { Daemon } = await import('./node/daemon.ts');
  daemon = new Daemon({ options, log, clock: systemClock, addon, handover, serveCni });
  try {
    await daemon.run();
    return EXIT_OK;
  } catch (error) {
    log.error((error as Error).message);
    await daemon.stop();
    return EXIT_FAILURE;
  }
}
