// What this host publishes, and whether it has to be written anew. Who asks for that may do so while a write is under way,
// so requests are counted: asked for, seen by the attributes of a write, written.
import type { LeaseAttributes } from '../lease.ts';

export class PublishGeneration {
  readonly #attributes: (previous?: LeaseAttributes) => LeaseAttributes;
  #asked = 0;
  #seen = 0;
  #written = 0;

  /** @param attributes - what to publish; `previous` is what is published. May throw. */
  constructor(attributes: (previous?: LeaseAttributes) => LeaseAttributes) {
    this.#attributes = attributes;
  }

  /** Whether somebody asked since the attributes that were last written. */
  get isDue(): boolean {
    return this.#written !== this.#asked;
  }

  ask(): void {
    this.#asked++;
  }

  /** What to write now. */
  attributes(previous: LeaseAttributes | undefined): LeaseAttributes {
    this.#seen = this.#asked;
    return this.#attributes(previous);
  }

  /** The last {@link attributes} are in the registry. */
  markWritten(): void {
    this.#written = this.#seen;
  }
}
