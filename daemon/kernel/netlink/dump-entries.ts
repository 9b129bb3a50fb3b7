// The messages of one dump, each decoded only where it is wanted.
import type { TableEntry } from '../kernel-tables.ts';
import { NLMSG_DONE } from './constants.ts';
import { align, HEADER_BYTES } from './message.ts';
import { MessageDigest, type DigestFormat } from './message-digest.ts';
import type { Decode } from './netlink-client.ts';

export class DumpEntries<Message> implements Iterable<TableEntry<Message>>, TableEntry<Message> {
  readonly #datagrams: readonly Buffer[];
  readonly #decode: Decode<Message>;
  readonly #format: DigestFormat;
  readonly #digest = new MessageDigest();
  #datagram: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  constructor(datagrams: readonly Buffer[], decode: Decode<Message>, format: DigestFormat) {
    this.#datagrams = datagrams;
    this.#decode = decode;
    this.#format = format;
  }

  get high(): number {
    return this.#digest.high;
  }

  get low(): number {
    return this.#digest.low;
  }

  decode(): Message | undefined {
    return this.#decode(this.#datagram, this.#start, this.#end);
  }

  *[Symbol.iterator](): Iterator<TableEntry<Message>> {
    for (const datagram of this.#datagrams) {
      this.#datagram = datagram;
      const u32s = u32sOf(datagram);
      for (let start = 0; start + HEADER_BYTES <= datagram.length; start = align(this.#end)) {
        const length = datagram.readUInt32LE(start);
        if (length < HEADER_BYTES || start + length > datagram.length) break;
        this.#start = start;
        this.#end = start + length;
        if (datagram.readUInt16LE(start + 4) === NLMSG_DONE) continue;
        this.#digest.compute(u32s, start >> 2, align(this.#end) >> 2, this.#format);
        yield this;
      }
    }
  }
}

/** The kernel pads messages to four bytes. */
function u32sOf(datagram: Buffer): Int32Array {
  const isAligned = datagram.byteOffset % 4 === 0 && datagram.length % 4 === 0;
  const bytes = isAligned ? datagram : Buffer.alloc(align(datagram.length), datagram);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}
