// Keeps subnet.env, or the conflist of container runtimes, as desired: writes the newest text, retries
// after an error, and restores the file when another program changes or removes it. A file that is
// withdrawn is kept absent in the same loop. inotify(7) reports such changes; a periodic check covers
// file systems without it.
import { statSync } from 'node:fs';
import { readFile, realpath, rm } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { FileWatch } from '../../lib/file-watch.ts';
import type { Logger } from '../log/log.ts';
import { fileChanges } from './file-changes.ts';
import { removeSubnetFile, writeSubnetFile } from './subnet-file.ts';

/** Interval of retries, of the first check after a write, and of all checks without inotify. */
const CHECK_INTERVAL_MS = 5000;
/** Interval of checks of a verified file whose folder is watched. */
const WATCHED_CHECK_INTERVAL_MS = 600_000;
/**
 * From an external edit to the check. After a write the check waits for {@link CHECK_INTERVAL_MS}:
 * two programs that both write the file alternate no faster.
 */
const EXTERNAL_EDIT_DELAY_MS = 500;

export interface SubnetFileWriterOptions {
  readonly path: string;
  /** For log messages; default `subnet file`. */
  readonly title?: string;
  /** The flag that names the path; default `--subnet-file`. */
  readonly flag?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after each attempt to write the newest text, successful or not. */
  readonly onChange: () => void;
  /** Called when the file is known to have this content, written by any program. Must not throw. */
  readonly onContent?: (text: string) => void;
}

export class SubnetFileWriter {
  readonly #options: SubnetFileWriterOptions;
  readonly #loop: ControlLoop;
  readonly #watch: FileWatch;
  #desired: string | undefined;
  /** The text of the last attempt. */
  #attempted: string | undefined;
  /** The text in the file, as far as known. */
  #written: string | undefined;
  #error: Error | undefined;
  /** Whether this process wrote the file. */
  #isOurs = false;
  /** {@link signatureOf} from before the content was last verified. */
  #verified: string | undefined;
  /** When the file was last modified after the last check; unset if it was not. */
  #touchedMs: number | undefined;
  #checkedMs = -Infinity;
  #writtenMs = -Infinity;
  #isStopped = false;
  #isWithdrawn = false;

  constructor(options: SubnetFileWriterOptions) {
    const { path, clock } = options;
    this.#options = options;
    this.#watch = new FileWatch(path, () => this.#touch());
    const deadlinesMs = (): readonly number[] => [this.#checkDueMs];
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs });
    this.#loop.start();
  }

  /** Why the file differs from the desired text; `undefined` if it does not. */
  get problem(): string | undefined {
    if (this.#isWithdrawn) return this.#error?.message;
    if (this.#desired !== undefined && this.#desired === this.#written) return undefined;
    return this.#error?.message ?? `${this.#options.path} is not written yet`;
  }

  /** Whether a text is still to be written, and nothing has gone wrong with one before. */
  get isPending(): boolean {
    if (this.#isWithdrawn || this.#desired === undefined) return false;
    return this.#desired !== this.#written && this.#error === undefined;
  }

  /** Makes `text` the content of the file, asynchronously. */
  write(text: string): void {
    if (this.#isStopped) return;
    this.#desired = text;
    this.#loop.wake();
  }

  /** Removes the file, whichever program wrote it, until {@link restore}. Texts are kept for then. */
  withdraw(): void {
    if (!this.#isWithdrawn) this.#error = undefined;
    this.#isWithdrawn = true;
    this.#loop.wake();
  }

  /** Writes the newest text again. */
  restore(): void {
    if (!this.#isWithdrawn) return;
    this.#isWithdrawn = false;
    this.#error = undefined;
    this.#attempted = undefined;
    this.#written = undefined;
    this.#loop.wake();
  }

  /** Writes a text that is still pending, or removes a file that is withdrawn, and stops. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#watch.close();
    await this.#loop.stop();
    if (this.#isWithdrawn) return this.#removeWithdrawn();
    if (this.#desired !== undefined && this.#desired !== this.#attempted) await this.#attempt(this.#desired);
  }

  /** Stops, and removes the file if this process wrote it. */
  async remove(): Promise<void> {
    await this.stop();
    if (this.#isOurs) await realpath(this.#options.path).then(rm, () => undefined);
  }

  /** Without a desired text there is nothing to check; of a withdrawn file only a failure. */
  get #checkDueMs(): number {
    if (this.#isWithdrawn) return this.#error === undefined ? Infinity : this.#checkedMs + CHECK_INTERVAL_MS;
    if (this.#desired === undefined) return Infinity;
    if (this.#touchedMs !== undefined)
      return Math.max(this.#touchedMs + EXTERNAL_EDIT_DELAY_MS, this.#writtenMs + CHECK_INTERVAL_MS);
    const isWatched = this.#verified !== undefined && this.#watch.isWatching;
    return this.#checkedMs + (isWatched ? WATCHED_CHECK_INTERVAL_MS : CHECK_INTERVAL_MS);
  }

  #touch(): void {
    if (this.#touchedMs !== undefined) return;
    this.#touchedMs = this.#options.clock.nowMs();
    this.#loop.wake();
  }

  async #step(): Promise<boolean> {
    const text = this.#desired;
    if (this.#isWithdrawn) {
      this.#touchedMs = undefined;
      this.#checkedMs = this.#options.clock.nowMs();
      await this.#removeWithdrawn();
      this.#options.onChange();
      if (!this.#isStopped && !this.#watch.isWatching) this.#watch.start();
      return false;
    }
    if (text === undefined || (text === this.#attempted && !this.#needsWrite())) return false;
    this.#touchedMs = undefined;
    await this.#attempt(text);
    if (this.#desired !== text) return true;
    this.#checkedMs = this.#options.clock.nowMs();
    this.#options.onChange();
    if (!this.#isStopped && this.#verified === undefined) this.#watch.start();
    return false;
  }

  /** Whether a check is due and finds the file modified. An unmodified file is not read. */
  #needsWrite(): boolean {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#checkDueMs) return false;
    this.#touchedMs = undefined;
    this.#checkedMs = nowMs;
    return this.#verified === undefined || this.#verified !== signatureOf(this.#options.path);
  }

  async #attempt(text: string): Promise<void> {
    const { flag, path, onContent } = this.#options;
    // From before the content is read: a later change must not count as verified.
    const signature = signatureOf(path);
    this.#attempted = text;
    this.#verified = undefined;
    try {
      const before = await readFile(path, 'utf8').catch(() => '');
      const outcome = await writeSubnetFile(path, text, flag);
      if (outcome === 'written') this.#noteWrite(before, text);
      else this.#verified = signature;
      this.#written = text;
      this.#error = undefined;
      onContent?.(text);
    } catch (error) {
      this.#noteError(error as Error);
      this.#written = undefined;
    }
  }

  async #removeWithdrawn(): Promise<void> {
    const { path, log, title = 'subnet file' } = this.#options;
    try {
      if ((await removeSubnetFile(path)) === 'removed') log.info(`Removed the ${title}`, { path });
      this.#error = undefined;
    } catch (error) {
      this.#noteError(error as Error);
    }
  }

  #noteError(error: Error): void {
    if (this.#error?.message !== error.message)
      this.#options.log.error(`${error.message}; retrying every ${CHECK_INTERVAL_MS / 1000} s`);
    this.#error = error;
  }

  #noteWrite(before: string, text: string): void {
    const { path, log, clock, title = 'subnet file' } = this.#options;
    this.#isOurs = true;
    this.#writtenMs = clock.nowMs();
    const changes = fileChanges(before, text);
    const fields = { path, ...(changes.length > 0 && { changes }) };
    if (text === this.#written)
      log.warn(`Restored the ${title} after another program changed or removed it`, fields);
    else log.info(`Wrote the ${title}`, fields);
  }
}

/** Changes with every modification of the file; `undefined` if it cannot be read. */
function signatureOf(path: string): string | undefined {
  try {
    const { ino, size, ctimeMs } = statSync(path);
    return `${ino} ${size} ${ctimeMs}`;
  } catch {
    return undefined;
  }
}
