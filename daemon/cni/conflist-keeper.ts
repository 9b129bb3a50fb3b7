// Keeps the conflist of container runtimes equal to a file, which a ConfigMap mounts: installs it
// atomically, follows changes, restores it, and notices files of other programs that runtimes use
// instead. A text that is no conflist changes nothing.
import { watch, type FSWatcher } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ConflistV1 } from '../../api/index.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { FileWatch } from '../../lib/file-watch.ts';
import type { Logger } from '../log/log.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { networkConfigs, problemOfConfig } from './network-configs.ts';

/** One replacement of a ConfigMap touches several names. */
const SETTLE_MS = 200;
/** Where a folder cannot be watched, or the source cannot be read. */
const RETRY_MS = 10_000;
const CHECK_MS = 600_000;

export interface ConflistKeeperOptions {
  readonly source: string;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when {@link ConflistKeeper.status} may have changed. */
  readonly onChange: () => void;
}

export class ConflistKeeper {
  readonly #options: ConflistKeeperOptions;
  readonly #writer: SubnetFileWriter;
  readonly #loop: ControlLoop;
  readonly #source: FileWatch;
  #folder: FSWatcher | undefined;
  #hasStarted = false;
  #hasText = false;
  #dueMs = Infinity;
  #sourceProblem: string | undefined;
  #precededBy: string | undefined;
  #lastProblem: string | undefined;

  constructor(options: ConflistKeeperOptions) {
    const { clock, log, path, source } = options;
    this.#options = options;
    const onChange = (): void => this.#wakeIn(0);
    this.#writer = new SubnetFileWriter({
      path,
      title: 'conflist',
      flag: '--cni-conf-file',
      clock,
      log,
      onChange,
    });
    this.#source = new FileWatch(source, () => this.#wakeIn(SETTLE_MS));
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs: () => [this.#dueMs] });
  }

  get status(): ConflistV1 {
    const { path } = this.#options;
    const problem = this.#problem;
    return {
      path,
      isInstalled: this.#hasText && this.#writer.problem === undefined,
      ...(this.#precededBy !== undefined && { precededBy: this.#precededBy }),
      ...(problem !== undefined && { problem }),
    };
  }

  get #problem(): string | undefined {
    if (!this.#hasStarted) return undefined;
    if (this.#sourceProblem !== undefined) return this.#sourceProblem;
    if (this.#hasText && this.#writer.problem !== undefined) return this.#writer.problem;
    if (this.#precededBy === undefined) return undefined;
    return `${this.#precededBy} comes before ${basename(this.#options.path)}, so container runtimes use that network: remove the file`;
  }

  /** Does nothing if it runs. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#dueMs = this.#options.clock.nowMs();
    this.#loop.start();
  }

  /** Leaves the conflist in place: containers may be added while the daemon is replaced. */
  async stop(): Promise<void> {
    this.#source.close();
    this.#folder?.close();
    await this.#loop.stop();
    await this.#writer.stop();
  }

  #wakeIn(delayMs: number): void {
    if (!this.#hasStarted) return;
    this.#dueMs = Math.min(this.#dueMs, this.#options.clock.nowMs() + delayMs);
    this.#loop.wake();
  }

  async #step(): Promise<boolean> {
    const { clock, log, onChange } = this.#options;
    if (clock.nowMs() < this.#dueMs) return false;
    this.#dueMs = Infinity;
    if (!this.#source.isWatching) this.#source.start();
    await this.#readSource();
    this.#watchFolder();
    this.#precededBy = await findPredecessor(this.#options.path);
    const isWatched = this.#source.isWatching && this.#folder !== undefined;
    const isQuiet = isWatched && this.#sourceProblem === undefined;
    this.#dueMs = Math.min(this.#dueMs, clock.nowMs() + (isQuiet ? CHECK_MS : RETRY_MS));
    const problem = this.#problem;
    // The writer logs its own errors.
    if (problem !== this.#lastProblem && problem !== undefined && problem !== this.#writer.problem)
      log.warn(`Container runtimes do not use the conflist: ${problem}`);
    this.#lastProblem = problem;
    onChange();
    return false;
  }

  async #readSource(): Promise<void> {
    const { source } = this.#options;
    try {
      const text = await readFile(source, 'utf8');
      const problem = problemOfConfig(text);
      this.#sourceProblem = problem === undefined ? undefined : `${source} ${problem}: correct cni-conf.json`;
      if (problem !== undefined) return;
      this.#hasText = true;
      this.#writer.write(text);
    } catch (error) {
      this.#sourceProblem = `Cannot read ${source}: ${(error as Error).message}`;
    }
  }

  #watchFolder(): void {
    if (this.#folder !== undefined) return;
    try {
      const folder = watch(dirname(this.#options.path), { persistent: false }, () => this.#wakeIn(SETTLE_MS));
      const end = (): void => {
        folder.close();
        this.#folder = undefined;
      };
      folder.on('error', end);
      this.#folder = folder;
    } catch {
      // The writer makes the folder; until then the next step tries again.
    }
  }
}

/** The valid network config that runtimes find before `path`. */
async function findPredecessor(path: string): Promise<string | undefined> {
  const [folder, own] = [dirname(path), basename(path)];
  const names = await readdir(folder).catch(() => []);
  for (const name of networkConfigs(names).filter((other) => other < own)) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    // Runtimes skip files that they cannot parse.
    if (problemOfConfig(text) === undefined) return join(folder, name);
  }
  return undefined;
}
