// Reads capture files: the classic pcap format of libpcap, link type Ethernet, whole frames.
import { readFileSync } from 'node:fs';

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC = { microseconds: 0xa1b2c3d4, nanoseconds: 0xa1b23c4d } as const;
const LINK_TYPE_ETHERNET = 1;

/** Frames of the capture file `path`, in its order. @throws Error if it is no such file, or cut short */
export function readPcap(path: string): readonly Buffer[] {
  const file = readFileSync(path);
  const read32 = wordReader(file);
  if (read32 === undefined || read32(20) !== LINK_TYPE_ETHERNET)
    throw new Error(`${path}: no pcap of Ethernet frames`);
  const frames: Buffer[] = [];
  for (let at = FILE_HEADER_BYTES; at < file.length;) {
    const [captured, original] = [read32(at + 8), read32(at + 12)];
    at += RECORD_HEADER_BYTES;
    if (captured !== original || at + captured > file.length) throw new Error(`${path}: frame cut short`);
    frames.push(file.subarray(at, at + captured));
    at += captured;
  }
  return frames;
}

/** Numbers are in the byte order of the capturing machine; the magic number identifies it. */
function wordReader(file: Buffer): ((at: number) => number) | undefined {
  const magics: readonly number[] = Object.values(MAGIC);
  if (magics.includes(file.readUInt32LE(0))) return (at) => file.readUInt32LE(at);
  return magics.includes(file.readUInt32BE(0)) ? (at) => file.readUInt32BE(at) : undefined;
}
