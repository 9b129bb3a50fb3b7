// 64 bits that stand for the content of a netlink message, so that one that was seen before is recognized without being
// decoded. Its header differs from dump to dump, and ages of entries change by themselves: both are left out. Messages that
// differ in one word alone never have the same digest, as each step is a bijection of both halves; of others, one pair in
// 2^64 has. The seeds differ from process to process.
import { HEADER_BYTES } from './message.ts';

const [HIGH_SEED, LOW_SEED] = [randomWord(), randomWord()];
/** Odd, so that no two numbers become one. */
const [HIGH_FACTOR, LOW_FACTOR] = [0x9e3779b1, 0x85ebca77];
const HEADER_U32S = HEADER_BYTES / 4;
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

  /**
   * Of the message from `start` to `end` in `u32s`. Written out: a host reads thousands of messages once in ten minutes, so
   * that this is never compiled to fast code.
   */
  compute(u32s: Int32Array, start: number, end: number, { headerBytes, volatile }: DigestFormat): void {
    let high = HIGH_SEED;
    let low = LOW_SEED;
    let at = start + HEADER_U32S;
    let next = Math.min(at + headerBytes / 4, end);
    for (;;) {
      for (; at < next; at++) {
        high = Math.imul(high ^ u32s[at]!, HIGH_FACTOR);
        high ^= high >>> 15;
        low = Math.imul(low ^ u32s[at]!, LOW_FACTOR);
        low ^= low >>> 13;
      }
      if (at >= end) break;
      const head = u32s[at]!;
      const length = head & 0xffff;
      next = length < ATTRIBUTE_HEADER_BYTES ? end : Math.min(at + ((length + 3) >> 2), end);
      if (isVolatile(volatile, (head >>> 16) & ATTRIBUTE_TYPE_MASK)) at = next;
    }
    this.high = high;
    this.low = low;
  }
}

function isVolatile(types: number, type: number): boolean {
  return type < 32 && ((types >>> type) & 1) === 1;
}

function randomWord(): number {
  return Math.floor(Math.random() * 2 ** 32) | 0;
}
