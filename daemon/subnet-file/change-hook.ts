// Runs a command of the operator when subnet.env changes: one at a time, and after the last change always once more. What
// it was told last is kept beside subnet.env, so that neither a restart of the daemon runs it without need, nor a crash
// between a change and the command loses the change.
//
//   subnet.env has new content ──► wanted ──differs from told──► run ──ended, failed or timed out──► told, and look again
//                                                                 └──daemon stops──► killed; told stays as it was
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseEnvFile } from '../../lib/env-file.ts';
import type { ChangeHookCommand } from '../options/hook-command.ts';
import { startHookProcess, type HookOutcome, type HookProcess } from './hook-process.ts';
import type { Logger } from '../log/log.ts';
import { writeSubnetFile } from './subnet-file.ts';

/** What metrics show of it. */
export interface ChangeHookView {
  readonly isRunning: boolean;
  /** Runs that ended, by how. */
  readonly counts: Readonly<Record<HookOutcome, number>>;
}

export interface ChangeHookOptions extends ChangeHookCommand {
  readonly subnetFile: string;
  readonly log: Logger;
}

export class ChangeHook implements ChangeHookView {
  readonly #options: ChangeHookOptions;
  readonly #counts: Record<HookOutcome, number> = { ok: 0, failed: 0, timeout: 0 };
  #told = '';
  #wanted: string | undefined;
  #process: HookProcess | undefined;
  #isWorking = false;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ChangeHookOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  get counts(): Readonly<Record<HookOutcome, number>> {
    return this.#counts;
  }

  /** To be called before subnet.env is written. Where nothing was told yet, what is there now is taken as known. */
  async start(): Promise<void> {
    const told = await readText(this.#toldFile);
    this.#told = told ?? (await readText(this.#options.subnetFile)) ?? '';
    if (told === undefined) await this.#remember();
  }

  /** subnet.env has this content. */
  tell(text: string): void {
    this.#wanted = text;
    if (!this.#isWorking && !this.#isStopped) this.#work = this.#catchUp();
  }

  /** Ends the command and all that it started in its process group. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#process?.end();
    await this.#work;
  }

  async #catchUp(): Promise<void> {
    this.#isWorking = true;
    while (!this.#isStopped && this.#wanted !== undefined && this.#wanted !== this.#told)
      await this.#runOnce(this.#wanted);
    this.#isWorking = false;
  }

  async #runOnce(text: string): Promise<void> {
    const { log, subnetFile, timeoutMs, words } = this.#options;
    const env = hookEnvironment(subnetFile, this.#told, text);
    log.info('subnet.env changed: running the command of --on-change', { changed: env['WEFT_CHANGED'] });
    const startedMs = performance.now();
    this.#process = startHookProcess({ words, env, timeoutMs });
    const { outcome, message, output } = await this.#process.ended;
    this.#process = undefined;
    if (this.#isStopped) return;
    this.#counts[outcome]++;
    const fields = { command: words[0], ms: Math.round(performance.now() - startedMs), output };
    if (outcome === 'ok') log.debug('The command of --on-change ended', fields);
    else log.error(`The command of --on-change ${message}; it runs again at the next change`, fields);
    this.#told = text;
    await this.#remember();
  }

  get #toldFile(): string {
    const { subnetFile } = this.#options;
    return join(dirname(subnetFile), `.${basename(subnetFile)}.told`);
  }

  async #remember(): Promise<void> {
    await writeSubnetFile(this.#toldFile, this.#told).catch((error: Error) =>
      this.#options.log.warn(`${error.message}; after a restart --on-change may run without need`),
    );
  }
}

/** The variables of subnet.env, which of them are new, and what those were before. Of the daemon's own only PATH. */
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
