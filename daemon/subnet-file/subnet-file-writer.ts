// Keeps subnet.env as it should be: writes the newest text, one write at a time, tries again when the disk refused, and
// looks whether somebody changed or removed it: when the kernel tells so (inotify(7)), and now and then all the same.
import { statSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { FileWatch } from '../../lib/file-watch.ts';
import type { Logger } from '../log/log.ts';
import { writeSubnetFile } from './subnet-file.ts';

/** Until the next try, until the first look at what was written, and from look to look where the kernel tells nothing. */
const LOOK_MS = 5000;
/** From look to look at a file that was right and whose folder is watched. */
const WATCHED_LOOK_MS = 600_000;
/** After somebody did something to the file; two programs that both want it theirs take turns every {@link LOOK_MS}. */
const EXTERNAL_EDIT_DELAY_MS = 500;

export interface SubnetFileWriterOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after the file has become what was asked for, or has failed to. */
  readonly onChange: () => void;
  /** Called when the file is known to have this content, whoever wrote it. Must not throw. */
  readonly onContent?: (text: string) => void;
}

export class SubnetFileWriter {
  readonly #options: SubnetFileWriterOptions;
  #wanted: string | undefined;
  #written: string | undefined;
  /** Whether what is in the file is of this process. */
  #isOurs = false;
  /** What {@link signatureOf} said before the content was last found right. */
  #seen: string | undefined;
  #isWriting = false;
  #isStopped = false;
  #run: Promise<void> = Promise.resolve();
  #error: Error | undefined;
  #cancelLook: (() => void) | undefined;
  readonly #watch: FileWatch;
  /** Whether something was done to the file since the last look at it. */
  #isTouched = false;
  #writtenMs = -Infinity;

  constructor(options: SubnetFileWriterOptions) {
    this.#options = options;
    this.#watch = new FileWatch(options.path, () => this.#touch());
  }

  /** Why the file is not what was asked for; `undefined` if it is. */
  get problem(): string | undefined {
    if (this.#wanted !== undefined && this.#wanted === this.#written) return undefined;
    return this.#error?.message ?? `${this.#options.path} is not written yet`;
  }

  /** Makes `text` the content of the file, soon. */
  write(text: string): void {
    this.#wanted = text;
    this.#start();
  }

  /** Starts no further write; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    this.#watch.close();
    await this.#run;
  }

  /** Stops, and removes the file if this process wrote it. */
  async withdraw(): Promise<void> {
    await this.stop();
    if (this.#isOurs) await realpath(this.#options.path).then(rm, () => undefined);
  }

  #start(): void {
    if (!this.#isWriting && !this.#isStopped) this.#run = this.#work();
  }

  async #work(): Promise<void> {
    this.#isWriting = true;
    this.#isTouched = false;
    this.#cancelLook?.();
    let isDone = false;
    while (!isDone && this.#wanted !== undefined) {
      const text = this.#wanted;
      const isWritten = await this.#writeOnce(text);
      isDone = !isWritten || text === this.#wanted;
    }
    this.#isWriting = false;
    this.#options.onChange();
    if (this.#isStopped) return;
    if (this.#seen === undefined) this.#watch.start();
    this.#lookLater();
  }

  #touch(): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    if (!this.#isWriting) this.#lookLater();
  }

  #lookLater(): void {
    this.#cancelLook?.();
    this.#cancelLook = this.#options.clock.setTimer(this.#pauseMs, () => this.#look());
  }

  get #pauseMs(): number {
    const sinceWrittenMs = this.#options.clock.nowMs() - this.#writtenMs;
    if (this.#isTouched) return Math.max(EXTERNAL_EDIT_DELAY_MS, LOOK_MS - sinceWrittenMs);
    return this.#seen !== undefined && this.#watch.isWatching ? WATCHED_LOOK_MS : LOOK_MS;
  }

  /** Nobody reads a file for years that nobody has touched. */
  #look(): void {
    this.#isTouched = false;
    if (this.#seen !== undefined && this.#seen === signatureOf(this.#options.path)) this.#lookLater();
    else this.#start();
  }

  async #writeOnce(text: string): Promise<boolean> {
    const { path, log } = this.#options;
    // From before the content is read: what changes later must not pass for seen.
    const signature = signatureOf(path);
    this.#seen = undefined;
    try {
      const outcome = await writeSubnetFile(path, text);
      if (outcome === 'written') {
        this.#isOurs = true;
        this.#writtenMs = this.#options.clock.nowMs();
        if (text === this.#written)
          log.warn('Somebody changed or removed the subnet file; wrote it again', { path });
        else log.info('Wrote the subnet file', { path });
      } else this.#seen = signature;
      this.#written = text;
      this.#options.onContent?.(text);
      this.#error = undefined;
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (this.#error?.message !== message) log.error(`${message}; trying again every ${LOOK_MS / 1000} s`);
      this.#error = error as Error;
      this.#written = undefined;
      return false;
    }
  }
}

/** Changes with whatever is done to the file; `undefined` if it cannot be looked at. */
function signatureOf(path: string): string | undefined {
  try {
    const { ino, size, ctimeMs } = statSync(path);
    return `${ino} ${size} ${ctimeMs}`;
  } catch {
    return undefined;
  }
}
