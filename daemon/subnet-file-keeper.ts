// Keeps subnet.env as it should be: writes the newest text, one write at a time, and tries again when the disk refused.
import type { Clock } from '../allocator/clock.ts';
import type { Logger } from './log.ts';
import { writeSubnetFile } from './subnet-file.ts';

const RETRY_MS = 5000;

export interface SubnetFileKeeperOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after the file has become what was asked for, or has failed to. */
  readonly onChange: () => void;
}

export class SubnetFileKeeper {
  readonly #options: SubnetFileKeeperOptions;
  #wanted: string | undefined;
  #written: string | undefined;
  #isWriting = false;
  #isStopped = false;
  #error: Error | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(options: SubnetFileKeeperOptions) {
    this.#options = options;
  }

  /** Why the file is not what was asked for; `undefined` if it is. */
  get problem(): string | undefined {
    if (this.#wanted !== undefined && this.#wanted === this.#written) return undefined;
    return this.#error?.message ?? `${this.#options.path} is not written yet`;
  }

  /** Makes `text` the content of the file, soon. */
  write(text: string): void {
    this.#wanted = text;
    void this.#run();
  }

  /** Starts no further write. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
  }

  async #run(): Promise<void> {
    if (this.#isWriting || this.#isStopped) return;
    this.#isWriting = true;
    this.#cancelRetry?.();
    while (this.#wanted !== undefined && this.#wanted !== this.#written) {
      const text = this.#wanted;
      if (!(await this.#writeOnce(text))) break;
    }
    this.#isWriting = false;
    this.#options.onChange();
  }

  async #writeOnce(text: string): Promise<boolean> {
    const { path, log, clock } = this.#options;
    try {
      const outcome = await writeSubnetFile(path, text);
      this.#written = text;
      this.#error = undefined;
      if (outcome === 'written') log.info('Wrote the subnet file', { path });
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (this.#error?.message !== message) log.error(`${message}; trying again every ${RETRY_MS / 1000} s`);
      this.#error = error as Error;
      this.#cancelRetry = clock.setTimer(RETRY_MS, () => void this.#run());
      return false;
    }
  }
}
