// Notifies systemd of the daemon's state (sd_notify(3)): ready, status, reloading, stopping, and
// alive for the watchdog. Without a service manager it does nothing. A failed notification is
// logged once and never an error of the daemon.
import { execFile } from 'node:child_process';
import type { Logger } from '../log/log.ts';

export interface SdNotifyOptions {
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /**
   * Sends one datagram to a UNIX socket; throws or returns false if it cannot. Unset if the native
   * addon is missing: Node has no datagram sockets of that kind, so the `systemd-notify` command
   * stands in.
   */
  readonly sendDatagram?: ((path: string, text: string) => unknown) | undefined;
  /** Runs the stand-in; default `systemd-notify`. */
  readonly runCommand?: (lines: readonly string[]) => Promise<void>;
  /** Default `process.pid`. */
  readonly pid?: number;
}

export interface SdNotify {
  /** `READY=1`, once the host can carry traffic. */
  ready(status: string): void;
  /** One line for `systemctl status`. The same line is not sent again. */
  status(text: string): void;
  /** `RELOADING=1`; {@link ready} ends it. */
  reloading(): void;
  stopping(): void;
  /**
   * Sends signs of life, at half of the time that the unit's WatchdogSec gives, while `isHealthy`
   * says so.
   */
  startWatchdog(isHealthy: () => boolean): void;
  /** Ends the signs of life. */
  stop(): void;
}

/** How long the stand-in command may take. */
const COMMAND_TIMEOUT_MS = 5000;

/** Makes the notifier for the environment that the process was started in. */
export function createSdNotify(options: SdNotifyOptions): SdNotify {
  const env = options.env ?? process.env;
  const send = createSender(env['NOTIFY_SOCKET'] ?? '', options);
  let lastStatus: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    ready(status) {
      lastStatus = oneLine(status);
      send(['READY=1', `STATUS=${lastStatus}`]);
    },
    status(text) {
      const line = oneLine(text);
      if (line === lastStatus) return;
      lastStatus = line;
      send([`STATUS=${line}`]);
    },
    reloading() {
      lastStatus = 'Reading everything again';
      // Which moment of CLOCK_MONOTONIC it is about: newer systemds want to know.
      const usec = process.hrtime.bigint() / 1000n;
      send(['RELOADING=1', `MONOTONIC_USEC=${usec}`, `STATUS=${lastStatus}`]);
    },
    stopping: () => send(['STOPPING=1', 'STATUS=Stopping']),
    startWatchdog(isHealthy) {
      const intervalMs = watchdogIntervalMs(env, options.pid ?? process.pid);
      if (intervalMs === undefined || timer !== undefined) return;
      const beat = (): void => {
        if (isHealthy()) send(['WATCHDOG=1']);
      };
      beat();
      // Runs on the event loop on purpose: a loop that hangs sends no sign of life.
      timer = setInterval(beat, intervalMs).unref();
    },
    stop: () => clearInterval(timer),
  };
}

/**
 * Half of WATCHDOG_USEC, or `undefined` if no watchdog waits for this process
 * (sd_watchdog_enabled(3)).
 */
function watchdogIntervalMs(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const usec = env['WATCHDOG_USEC'] ?? '';
  const wantedPid = env['WATCHDOG_PID'] ?? '';
  if (!/^[1-9]\d{0,14}$/.test(usec) || (wantedPid !== '' && wantedPid !== String(pid))) return undefined;
  return Math.min(Math.max(1, Math.floor(Number(usec) / 2000)), 2 ** 31 - 1);
}

/** Lines separate assignments, so a line break inside of one would start another. */
function oneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim();
}

function createSender(socket: string, options: SdNotifyOptions): (lines: readonly string[]) => void {
  if (socket === '') return () => undefined;
  let isReported = false;
  const report = (error: unknown): void => {
    if (isReported) return;
    isReported = true;
    options.log.warn(
      'Cannot notify systemd; set Type=exec and no WatchdogSec in the unit if it waits for this',
      {
        socket,
        error,
      },
    );
  };
  const runCommand =
    options.runCommand ?? ((lines) => runSystemdNotify(socket, lines, options.pid ?? process.pid));
  // One after the other: READY=1 must not overtake, nor be overtaken.
  let previous: Promise<void> = Promise.resolve();
  return (lines) => {
    if (options.sendDatagram === undefined) {
      previous = previous.then(() => runCommand(lines)).catch(report);
      return;
    }
    try {
      if (options.sendDatagram(socket, lines.join('\n')) === false) report(new Error('not sent'));
    } catch (error) {
      report(error);
    }
  };
}

/** Passes on no more of the environment than is needed: passwords may be in it. */
function runSystemdNotify(socket: string, lines: readonly string[], pid: number): Promise<void> {
  const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket };
  return new Promise((resolve, reject) => {
    const args = [`--pid=${pid}`, ...lines];
    execFile('systemd-notify', args, { env, timeout: COMMAND_TIMEOUT_MS }, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}
