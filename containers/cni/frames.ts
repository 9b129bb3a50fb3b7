// Messages between the daemon and the program of native/cni: see native/cni/frame.h.
const LENGTH_BYTES = 4;
const MAX_FRAME_BYTES = 4 << 20;

export interface Frame {
  /** One letter. */
  readonly operation: string;
  readonly fields: readonly string[];
}

export function encodeFrame({ operation, fields }: Frame): Buffer {
  const parts: Buffer[] = [Buffer.from(operation, 'latin1')];
  for (const field of fields) {
    const data = Buffer.from(field);
    parts.push(lengthOf(data.length), data, END);
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes > MAX_FRAME_BYTES) throw new RangeError(`A message of CNI has ${bytes} bytes`);
  return Buffer.concat([lengthOf(bytes), ...parts]);
}

const END = Buffer.alloc(1);

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** Collects bytes and parts them into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next frame; `undefined` while it is incomplete. @throws RangeError for what is none */
  next(): Frame | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    const data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [data];
    const end = LENGTH_BYTES + data.readUInt32BE();
    if (end > MAX_FRAME_BYTES) throw new RangeError(`A message of CNI has ${end} bytes`);
    if (data.length < end) return undefined;
    this.#chunks = [data.subarray(end)];
    this.#bytes -= end;
    return decode(data.subarray(LENGTH_BYTES, end));
  }
}

function decode(data: Buffer): Frame {
  const fields: string[] = [];
  for (let at = 1; at < data.length;) {
    const start = at + LENGTH_BYTES;
    const end = start + data.readUInt32BE(at);
    if (end >= data.length) throw new RangeError('A field of a message of CNI exceeds it');
    fields.push(data.toString('utf8', start, end));
    at = end + 1;
  }
  return { operation: data.toString('latin1', 0, 1), fields };
}
