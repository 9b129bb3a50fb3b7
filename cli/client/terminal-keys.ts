// Keys of the terminal, one by one, while a command prints again and again. Without a terminal there
// are none, and only time passes.
import type { ReadStream } from 'node:tty';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const END_KEYS: readonly string[] = ['q', 'Q', CTRL_C, CTRL_D];

/** Where keys come from; `process.stdin`. */
export type KeySource = Pick<ReadStream, 'on' | 'off' | 'pause' | 'resume' | 'setRawMode' | 'isTTY'>;

export class TerminalKeys {
  readonly #source: KeySource;
  readonly #onKey: (key: string) => void;
  readonly #isActive: boolean;
  #isEnded = false;
  #wake: () => void = () => undefined;

  /** Calls `onKey` for each key but those that end the command. */
  constructor(
    onKey: (key: string) => void,
    source: KeySource = process.stdin,
    output: { readonly isTTY?: boolean } = process.stdout,
  ) {
    this.#onKey = onKey;
    this.#source = source;
    this.#isActive = source.isTTY && output.isTTY === true;
    if (!this.#isActive) return;
    // In raw mode the terminal passes keys at once, and Ctrl-C as a character.
    source.setRawMode(true);
    source.on('data', this.#onData);
    source.resume();
  }

  /** Waits. @returns whether a key ended the command. */
  async pause(ms: number): Promise<boolean> {
    if (!this.#isEnded)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    return this.#isEnded;
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!this.#isActive) return;
    this.#source.off('data', this.#onData);
    this.#source.setRawMode(false);
    this.#source.pause();
  }

  readonly #onData = (data: Buffer | string): void => {
    for (const key of data.toString())
      if (END_KEYS.includes(key)) {
        this.#isEnded = true;
        this.#wake();
      } else this.#onKey(key);
  };
}
