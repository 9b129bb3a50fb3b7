// Splits the JSON text of a list as it arrives: each element of the top-level member `items` is
// handed over by itself, so that a list of thousands of objects is never in memory as a whole.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Bound of one item, in bytes: etcd stores at most 1.5 MiB. */
const MAX_ITEM_BYTES = 4 * 1024 * 1024;
/** Bound of what surrounds the items. */
const MAX_ENVELOPE_BYTES = 1024 * 1024;

/** The list without its items. */
export interface ListEnvelope {
  readonly kind?: string;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

export class JsonItemSplitter {
  readonly #onItem: (text: string) => void;
  /** Nesting of objects and arrays: items of a list are at depth 2. */
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** Parts of the current item, or of the envelope. */
  #item: Buffer[] = [];
  #itemBytes = 0;
  #envelope: Buffer[] = [];
  #envelopeBytes = 0;
  #isInItem = false;

  /** @param onItem - gets the JSON text of each item. What it throws ends {@link write}. */
  constructor(onItem: (text: string) => void) {
    this.#onItem = onItem;
  }

  /** @throws if an item or the envelope exceeds its bound. */
  write(chunk: Buffer): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
      } else if (byte === QUOTE) this.#isInString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        // Depth 2 is inside an array or object that is a member of the list; only `items` has objects.
        if (byte === OPEN_BRACE && this.#depth === 2 && this.#isInItems) {
          this.#keep(chunk.subarray(start, at));
          start = at;
          this.#isInItem = true;
        }
        this.#depth++;
        if (this.#depth === 2) this.#isInItems = byte === OPEN_BRACKET;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth--;
        if (this.#isInItem && this.#depth === 2) {
          this.#keep(chunk.subarray(start, at + 1));
          start = at + 1;
          this.#endItem();
        }
      }
    }
    this.#keep(chunk.subarray(start));
  }

  /** What surrounds the items. @throws if the text is not one complete JSON object. */
  end(): ListEnvelope {
    const text = Buffer.concat(this.#envelope).toString('utf8');
    if (this.#depth !== 0 || text.trim() === '') throw new Error('the list ends in the middle of its text');
    // Only commas are left between the brackets of the items.
    return JSON.parse(text.replace(/\[[\s,]*\]/, '[]')) as ListEnvelope;
  }

  #isInItems = false;

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#isInItem) {
      this.#itemBytes += part.length;
      if (this.#itemBytes > MAX_ITEM_BYTES)
        throw new Error(`an item of the list exceeds ${MAX_ITEM_BYTES} bytes`);
      this.#item.push(part);
    } else {
      this.#envelopeBytes += part.length;
      if (this.#envelopeBytes > MAX_ENVELOPE_BYTES)
        throw new Error(`the list without its items exceeds ${MAX_ENVELOPE_BYTES} bytes`);
      this.#envelope.push(part);
    }
  }

  #endItem(): void {
    const text = (this.#item.length === 1 ? this.#item[0]! : Buffer.concat(this.#item)).toString('utf8');
    this.#item = [];
    this.#itemBytes = 0;
    this.#isInItem = false;
    this.#onItem(text);
  }
}
