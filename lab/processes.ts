// Background processes of a lab: each has a PID file on the sandbox's private /run and a log in the lab's folder.
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasEnded } from './process-end.ts';
import type { Sandbox } from './sandbox.ts';
import { waitFor } from './wait.ts';

export type StopSignal = 'TERM' | 'KILL';
/** STOP, CONT, HUP and USR1 leave the process running. */
export type DaemonSignal = StopSignal | 'STOP' | 'CONT' | 'HUP' | 'USR1';

const LIKE_AN_ERROR = /\b(?:error|fatal|panic|unknown|not defined|cannot|can't|failed|denied)\b/i;

export class LabProcesses {
  readonly #sandbox: Sandbox;
  readonly #logFolder: string;

  constructor(sandbox: Sandbox, logFolder: string) {
    this.#sandbox = sandbox;
    this.#logFolder = logFolder;
  }

  /** Starts `argv` in namespace `netns`; resolves once it has a PID. */
  async start(name: string, netns: string, argv: readonly string[]): Promise<void> {
    const log = join(this.#logFolder, `${name}.log`);
    await writeFile(log, '', { flag: 'a' });
    // Of an earlier process that ended by itself.
    await rm(this.#sandbox.outside(pidFile(name)), { force: true });
    await chmod(log, 0o600);
    const script =
      'pidfile=$1 log=$2; shift 2; setsid sh -c \'echo $$ >"$0"; exec "$@"\' "$pidfile" "$@" >>"$log" 2>&1 </dev/null &';
    await this.#sandbox.check(['sh', '-c', script, 'sh', pidFile(name), log, ...argv], netns);
    await waitFor(`${name} to start`, async () => (await this.#pidOf(name)) !== undefined);
  }

  /**
   * Waits for `condition`, for which the process `name` has to run.
   * @throws Error with the last error in its log, as soon as it has ended or after `timeoutMs`.
   */
  async waitFor(
    name: string,
    what: string,
    condition: () => Promise<boolean>,
    timeoutMs?: number,
  ): Promise<void> {
    let isOver = false;
    try {
      await waitFor(what, async () => (await condition()) || (isOver = await this.#isOver(name)), timeoutMs);
    } catch (error) {
      throw new Error(`${(error as Error).message}${await this.#lastLine(name)}`, { cause: error });
    }
    if (isOver && !(await condition()))
      throw new Error(`${name} ended before ${what}${await this.#lastLine(name)}`);
  }

  /** A process that was never started here, as on a bare host, has not ended. */
  async #isOver(name: string): Promise<boolean> {
    return (await this.#pidOf(name)) !== undefined && !(await this.isRunning(name));
  }

  async #lastLine(name: string): Promise<string> {
    const text = await readFile(join(this.#logFolder, `${name}.log`), 'utf8').catch(() => '');
    const lines = text.trim().split('\n');
    // Usage follows the error of a wrong flag.
    const error = lines.findLast((line) => LIKE_AN_ERROR.test(line));
    return text.trim() === '' ? '; its log is empty' : `; its log says: ${(error ?? lines.at(-1)!).trim()}`;
  }

  /** Sends `signal`; after TERM and KILL it resolves when the process is gone. @throws Error if none runs by this name. */
  async signal(name: string, signal: DaemonSignal): Promise<void> {
    const pid = await this.#pidOf(name);
    if (pid === undefined) throw new Error(`No process '${name}' runs in this lab: start it first`);
    await this.#sandbox.run(['kill', `-${signal}`, String(pid)]);
    if (signal !== 'TERM' && signal !== 'KILL') return;
    await waitFor(`${name} to end`, async () => !(await this.isRunning(name)));
    await rm(this.#sandbox.outside(pidFile(name)), { force: true });
  }

  /** Whether the process has not ended. */
  async isRunning(name: string): Promise<boolean> {
    return !(await hasEnded(this.#sandbox.outside(`/proc/${await this.#pidOf(name)}`)));
  }

  async #pidOf(name: string): Promise<number | undefined> {
    const text = await readFile(this.#sandbox.outside(pidFile(name)), 'utf8').catch(() => '');
    return Number(text) || undefined;
  }
}

function pidFile(name: string): string {
  return `/run/${name}.pid`;
}
