// Runs the operator's command when subnet.env changes: one run at a time, the last run for the
// newest content. The content of the last run is stored beside subnet.env: a restart of the daemon
// does not repeat the run, and a crash between a change and its run does not lose it.
//
//   new content, differs from lastNotified ──► run ──ended or timed out──► lastNotified = content
//                                               └──daemon stops──► killed, lastNotified unchanged
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { parseEnvFile } from '../../lib/env-file.ts';
import { startProcessGroup, type ProcessGroup, type RunOutcome } from '../../lib/process-group.ts';
import type { Logger } from '../log/log.ts';
import { writeSubnetFile } from './subnet-file.ts';

/** State for metrics. */
export interface ChangeHookView {
  readonly isRunning: boolean;
  /** Finished runs by outcome. */
  readonly counts: Readonly<Record<RunOutcome, number>>;
}

export interface ChangeHookOptions {
  /** Program and arguments; not empty. */
  readonly args: readonly string[];
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly subnetFile: string;
  readonly log: Logger;
}

export class ChangeHook implements ChangeHookView {
  readonly #options: ChangeHookOptions;
  readonly #counts: Record<RunOutcome, number> = { ok: 0, failed: 0, timeout: 0 };
  readonly #loop: ControlLoop;
  /** Content of the last run. */
  #lastNotified = '';
  #content: string | undefined;
  #process: ProcessGroup | undefined;
  #isStopped = false;

  constructor(options: ChangeHookOptions) {
    this.#options = options;
    this.#loop = new ControlLoop({ clock: options.clock, step: () => this.#step() });
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  get counts(): Readonly<Record<RunOutcome, number>> {
    return this.#counts;
  }

  /**
   * To be called before subnet.env is written. Without a stored content, the present one counts as
   * notified.
   */
  async start(): Promise<void> {
    const stored = await readText(this.#storeFile);
    this.#lastNotified = stored ?? (await readText(this.#options.subnetFile)) ?? '';
    if (stored === undefined) await this.#store();
    this.#loop.start();
  }

  /** subnet.env has the content `text`. */
  notify(text: string): void {
    this.#content = text;
    this.#loop.wake();
  }

  /** Terminates the process group of a running command. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const loopStopped = this.#loop.stop();
    await this.#process?.end();
    await loopStopped;
  }

  async #step(): Promise<boolean> {
    const content = this.#content;
    if (content === undefined || content === this.#lastNotified) return false;
    await this.#runFor(content);
    return true;
  }

  async #runFor(text: string): Promise<void> {
    const { log, subnetFile, timeoutMs, args } = this.#options;
    const env = hookEnvironment(subnetFile, this.#lastNotified, text);
    log.info('subnet.env changed: running the command of --on-change', { changed: env['WEFT_CHANGED'] });
    const startedMs = performance.now();
    this.#process = startProcessGroup({ args, env, timeoutMs, setting: '--on-change' });
    const { outcome, message, output } = await this.#process.ended;
    this.#process = undefined;
    if (this.#isStopped) return;
    this.#counts[outcome]++;
    const fields = { command: args[0], ms: Math.round(performance.now() - startedMs), output };
    if (outcome === 'ok') log.debug('The command of --on-change ended', fields);
    else log.error(`The command of --on-change ${message}; it runs again at the next change`, fields);
    this.#lastNotified = text;
    await this.#store();
  }

  get #storeFile(): string {
    const { subnetFile } = this.#options;
    return join(dirname(subnetFile), `.${basename(subnetFile)}.told`);
  }

  async #store(): Promise<void> {
    await writeSubnetFile(this.#storeFile, this.#lastNotified).catch((error: Error) =>
      this.#options.log.warn(`${error.message}; --on-change may run again after a restart`),
    );
  }
}

/**
 * The variables of subnet.env, the names of the changed ones, and their previous values. Of the
 * daemon's own only PATH.
 */
export function hookEnvironment(subnetFile: string, before: string, now: string): Record<string, string> {
  const [old, values] = [before, now].map((text) => parseEnvFile(text, () => undefined)) as [
    ReadonlyMap<string, string>,
    ReadonlyMap<string, string>,
  ];
  const names = [...new Set([...values.keys(), ...old.keys()])];
  const changed = names.filter((name) => values.get(name) !== old.get(name));
  const previous = changed.flatMap((name) =>
    old.has(name) ? [[`WEFT_PREVIOUS_${name}`, old.get(name)!] as const] : [],
  );
  return {
    PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...Object.fromEntries(values),
    ...Object.fromEntries(previous),
    WEFT_CHANGED: changed.join(' '),
    WEFT_SUBNET_FILE: subnetFile,
  };
}

function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
