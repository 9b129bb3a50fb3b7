// What passed a host's underlay interface, as Wireshark's dissectors read it: an implementation that is not ours.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../bench/path/path-process.ts';
import { waitFor } from '../../../lab/wait.ts';
import type { Encapsulation } from '../../../native/packet-path.ts';
import type { PathEnd } from './path-host.ts';
import type { PathPair } from './path-pair.ts';

/** Verifies all checksums; ignores TCP's analysis of sequence numbers. */
const SETTINGS = (
  'ip.check_checksum:TRUE udp.check_checksum:TRUE tcp.check_checksum:TRUE ' +
  'tcp.analyze_sequence_numbers:FALSE ip.defragment:FALSE ipv6.defragment:FALSE ' +
  // RFC 6935; suites check where a checksum has to be.
  'udp.ignore_ipv6_zero_checksum:TRUE'
)
  .split(' ')
  .flatMap((setting) => ['-o', setting]);
/** Ports of what is sent through the tunnel: its random bytes are no protocol. */
const DATA = ['tcp', 'udp'].flatMap((protocol) => ['-d', `${protocol}.port==5000,data`]);
/** Wireshark's dissector `ip` takes both families. */
const DISSECTORS: Readonly<Record<Encapsulation, string>> = { udp: 'ip', vxlan: 'vxlan' };

/** One frame: a list for each field, outermost first, as text. */
export type DecodedFrame = Readonly<Record<string, readonly string[]>>;

/** Fields of the protocols' own checks. */
const CHECKSUM_FIELDS = ['ip', 'udp', 'tcp', 'icmp', 'icmpv6'].map((name) => `${name}.checksum.status`);
const CHECK_FIELDS = [
  'frame.number',
  '_ws.col.Info',
  '_ws.expert.message',
  '_ws.expert.severity',
  '_ws.malformed',
  'tcp.checksum',
  ...CHECKSUM_FIELDS,
];
/** PI_ERROR and checksum status "Bad" (epan/proto.h). */
const ERROR_SEVERITY = '8388608';
const BAD_CHECKSUM = '0';

export class Capture {
  readonly #file: string;
  readonly #port: number;
  readonly #decodeArgs: readonly string[];

  constructor(file: string, { options, port }: PathPair) {
    this.#file = file;
    this.#port = port;
    this.#decodeArgs = ['-d', `udp.port==${port},${DISSECTORS[options.encapsulation]}`, ...DATA, ...SETTINGS];
  }

  /** Frames that `filter` selects (wireshark-filter(4)). */
  async frames(fields: readonly string[], filter?: string): Promise<DecodedFrame[]> {
    const selected = `(udp.port == ${this.#port})${filter === undefined ? '' : ` && (${filter})`}`;
    const columns = fields.flatMap((field) => ['-e', field]);
    const args = [
      '-r',
      this.#file,
      ...this.#decodeArgs,
      '-Y',
      selected,
      '-T',
      'fields',
      '-E',
      'occurrence=a',
    ];
    const output = await run(['tshark', ...args, ...columns], { timeoutMs: 60_000 });
    const lines = output.split('\n').slice(0, -1);
    return lines.map((line) => {
      const values = line.split('\t').map((text) => (text === '' ? [] : text.split(',')));
      return Object.fromEntries(fields.map((field, index) => [field, values[index] ?? []]));
    });
  }

  /** All frames, and Wireshark's complaints about them as text: one run of tshark, whose start costs most of its time. */
  async checkedFrames(
    fields: readonly string[],
  ): Promise<{ readonly frames: DecodedFrame[]; readonly complaints: string[] }> {
    const frames = await this.frames([...fields, ...CHECK_FIELDS]);
    const complaints = frames.filter(isBad).map((frame) => JSON.stringify(frame));
    return { frames, complaints };
  }
}

/** All ones is zero in ones' complement, and valid; Linux sends it, too (skb_checksum_help). */
function isBad(frame: DecodedFrame): boolean {
  if (frame['tcp.checksum']!.includes('0xffff')) return false;
  return (
    frame['_ws.malformed']!.length > 0 ||
    frame['_ws.expert.severity']!.includes(ERROR_SEVERITY) ||
    CHECKSUM_FIELDS.some((field) => frame[field]!.includes(BAD_CHECKSUM))
  );
}

/** Last in every capture: what came before it is in the file. */
const MARK = 'end of capture';
const DISCARD_PORT = 9;
const PATIENCE_MS = 60_000;

/** Captures on the underlay of `end` during `action`, and passes the result to `inspect`. */
export async function capture(
  pair: PathPair,
  end: PathEnd,
  action: () => Promise<unknown>,
  inspect: (capture: Capture) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-capture-'));
  const file = join(folder, 'frames.pcap');
  const filter = `udp port ${pair.port} or udp port ${DISCARD_PORT}`;
  const peer = end === pair.a ? pair.b : pair.a;
  try {
    const program = await end.start(
      ['dumpcap', '-q', '-i', 'eth0', '-B', '64', '-f', filter, '-w', file],
      'File:',
    );
    await action();
    await end.run(['bash', '--norc', '-c', `echo "${MARK}" >/dev/udp/${peer.underlay[4]}/${DISCARD_PORT}`]);
    await waitFor(
      'the capture to be written',
      async () => (await readFile(file)).includes(MARK),
      PATIENCE_MS,
    );
    await program.stop('SIGINT');
    await inspect(new Capture(file, pair));
  } finally {
    await rm(folder, { recursive: true });
  }
}
