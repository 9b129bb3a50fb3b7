// A text that must not be printed. Every conversion of the object (template, JSON, console,
// inspect) shows a mask.
import { inspect } from 'node:util';

const MASK = '[redacted]';

/** A password. Only {@link Secret.reveal} returns it. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself: for the call that needs it, never for a message. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
