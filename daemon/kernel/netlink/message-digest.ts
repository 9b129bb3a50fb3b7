// 64 bits that stand for the content of a netlink message, so that one that was seen before is recognized without being
// decoded. Its header differs from dump to dump, and ages of entries change by themselves: both are left
// out. Two messages that differ in one word alone never have the same digest, as each step is a bijection of both halves;
// of others, one pair in 2^64 has. The seeds differ from process to process.
import { randomFillSync } from 'node:crypto';
import { HEADER_BYTES } from './message.ts';

const [HIGH_SEED, LOW_SEED] = randomFillSync(new Int32Array(2)) as unknown as readonly [number, number];
const WORDS_OF_HEADER = HEADER_BYTES / 4;
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const ATTRIBUTE_HEADER_BYTES = 4;

/** Which parts of a table's messages do not count. */
export interface DigestFormat {
  /** Bytes of the fixed header behind `struct nlmsghdr`, such as `struct rtmsg`. */
  readonly headerBytes: number;
  /** Types, below 32, of attributes that change by themselves, one bit each. */
  readonly volatile: number;
}

/** Computes one digest after another, so that none is an object. */
export class MessageDigest {
  high = 0;
  low = 0;

  /** Of the message between `start` and `end`, in words of `words`. */
  compute(words: Int32Array, start: number, end: number, { headerBytes, volatile }: DigestFormat): void {
    this.high = HIGH_SEED;
    this.low = LOW_SEED;
    const attributes = Math.min(start + WORDS_OF_HEADER + headerBytes / 4, end);
    for (let at = start + WORDS_OF_HEADER; at < attributes; at++) this.#mix(words[at]!);
    for (let at = attributes; at < end;) {
      const head = words[at]!;
      const length = head & 0xffff;
      const type = (head >>> 16) & ATTRIBUTE_TYPE_MASK;
      const next = length < ATTRIBUTE_HEADER_BYTES ? end : Math.min(at + ((length + 3) >> 2), end);
      if (type >= 32 || ((volatile >>> type) & 1) === 0) for (; at < next; at++) this.#mix(words[at]!);
      at = next;
    }
  }

  /** Of text, for the model of the kernel. */
  computeText(text: string): void {
    this.high = HIGH_SEED;
    this.low = LOW_SEED;
    for (let at = 0; at < text.length; at++) this.#mix(text.charCodeAt(at));
  }

  #mix(word: number): void {
    const high = Math.imul(this.high ^ word, 0x9e3779b1);
    const low = Math.imul(this.low ^ word, 0x85ebca77);
    this.high = high ^ (high >>> 15);
    this.low = low ^ (low >>> 13);
  }
}
