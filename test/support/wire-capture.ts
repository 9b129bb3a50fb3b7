// What passed the switch of a lab, as dumpcap recorded it: of each frame the two hosts, whether it shows what containers send,
// and whether it is an encrypted packet with content. A pattern in the payload of pings identifies the content, whatever
// headers are around it.
import { readFile } from 'node:fs/promises';
import type { Lab } from '../../lab/lab.ts';
import { LabProcess } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';

const PATTERN = 'weft in clear 16';
/** Arguments of ping that fill its packets with the pattern. */
export const MARKED: readonly string[] = ['-s', '64', '-p', Buffer.from(PATTERN).toString('hex')];

const FILE = '/run/weft-lab/wire.pcap';
const FLUSH_MS = 10_000;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const ESP = 50;
const UDP = 17;
/** Of WireGuard packets with content, and the UDP length of a keepalive. */
const WIREGUARD_DATA = 4;
const KEEPALIVE_BYTES = 40;

export interface WireFrame {
  /** Seconds since 1970. */
  readonly atSec: number;
  /** Addresses of the outer header. */
  readonly from: string;
  readonly to: string;
  readonly isClear: boolean;
  readonly isEncrypted: boolean;
}

export class WireCapture {
  readonly #lab: Lab;
  readonly #process: LabProcess;

  private constructor(lab: Lab, process: LabProcess) {
    this.#lab = lab;
    this.#process = process;
  }

  /** Begins to record what crosses the switch, IPv4 of hosts and containers. */
  static async start(lab: Lab): Promise<WireCapture> {
    const filter = 'ip and not tcp';
    // A bridge in promiscuous mode shows what it forwards.
    const argv = ['dumpcap', '-q', '-P', '-i', 'br-a', '-B', '64', '-f', filter, '-w', FILE];
    const process = new LabProcess(lab, 'sw', argv);
    await waitFor('the capture to begin', () => process.output.includes('File:'));
    return new WireCapture(lab, process);
  }

  /** Ends it. @throws Error if frames were lost */
  async stop(): Promise<readonly WireFrame[]> {
    const output = await this.#process.interrupt();
    const dropped = /dropped on interface '[^']*': \d+\/(\d+)/.exec(output)?.[1];
    if (dropped !== '0') throw new Error(`The capture lost frames: ${output}`);
    return this.#read();
  }

  /** Waits for `count` encrypted frames: what the kernel still holds is not in the file when the capture ends. */
  async waitForEncrypted(count: number): Promise<void> {
    const isThere = async () => (await this.#read()).filter((frame) => frame.isEncrypted).length >= count;
    await waitFor(`${count} encrypted frames`, isThere, FLUSH_MS);
  }

  async #read(): Promise<readonly WireFrame[]> {
    return decodeFrames(await readFile(this.#lab.sandbox.outside(FILE)));
  }
}

/** Frames of a file of libpcap with microseconds, in the byte order of this machine. */
function decodeFrames(file: Buffer): readonly WireFrame[] {
  const frames: WireFrame[] = [];
  for (let at = FILE_HEADER_BYTES; at + RECORD_HEADER_BYTES <= file.length;) {
    const bytes = file.readUInt32LE(at + 8);
    const atSec = file.readUInt32LE(at) + file.readUInt32LE(at + 4) / 1e6;
    const start = at + RECORD_HEADER_BYTES + ETHERNET_BYTES;
    at += RECORD_HEADER_BYTES + bytes;
    if (at <= file.length) frames.push({ atSec, ...decodePacket(file.subarray(start, at)) });
  }
  return frames;
}

function decodePacket(packet: Buffer): Omit<WireFrame, 'atSec'> {
  const headerBytes = (packet[0]! & 0xf) * 4;
  const address = (offset: number): string => packet.subarray(offset, offset + 4).join('.');
  return {
    from: address(12),
    to: address(16),
    isClear: packet.includes(PATTERN),
    isEncrypted: isEncrypted(packet[9]!, packet.subarray(headerBytes)),
  };
}

function isEncrypted(protocol: number, content: Buffer): boolean {
  if (protocol === ESP) return true;
  if (protocol !== UDP || content.length < 9) return false;
  const port = content.readUInt16BE(2);
  if (port < 51_820 || port > 51_829) return false;
  return content[8] === WIREGUARD_DATA && content.readUInt16BE(4) > KEEPALIVE_BYTES;
}
