// The BPF programs of the packet path against its specification: a packet that one takes leaves as the reference makes it, any
// other passes unchanged, as docs/explanation/packet-path.md specifies. native/test/bpf-programs.c sends and captures.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { packageRoot } from '../../lab/package-root.ts';
import { concat, internetChecksum, read16 } from '../../native/reference/index.ts';
import { anyFrame, sentOut } from '../support/path/bpf-path-arbitrary.ts';
import {
  hex,
  type Tunnel,
  type Sent,
  type Outcome,
  ROUTES,
  expectedTx,
  expectedRx,
  hostAddress,
  REDIRECT,
} from '../support/path/bpf-path-model.ts';
import { ENCAPSULATIONS, FAMILIES } from '../support/path/path-suite.ts';

const PACKETS = 1000;
/** BPF_PROG_TEST_RUN takes a page at most, and no frame that ends before its IP header does. */
const MOST_TEST_BYTES = 3500;

function isTestable({ bytes }: Sent): boolean {
  if (bytes.length < 14 || bytes.length > MOST_TEST_BYTES) return false;
  return bytes.length >= (read16(bytes, 12) === 0x86dd ? 54 : 34);
}

function build(): string {
  const root = packageRoot();
  const folder = join(root, '.build/bpf-programs');
  mkdirSync(folder, { recursive: true });
  const folders = ['packet', 'route', 'bpf', 'probe', 'path'].map((part) => `native/${part}`);
  const sources = folders.flatMap((from) => readdirSync(join(root, from)).map((file) => `${from}/${file}`));
  const files = ['native/test/bpf-programs.c', ...sources.filter((file) => file.endsWith('.c'))];
  const options = ['-Inative', '-std=c11', '-D_GNU_SOURCE', '-O1', '-pthread', '-Wall', '-Wextra', '-Werror'];
  execFileSync('cc', [...options, '-o', join(folder, 'bpf-programs'), ...files], { cwd: root });
  return join(folder, 'bpf-programs');
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** `10.1.2.0`, or the long form of IPv6. */
function addressText(address: Uint8Array): string {
  return address.length === 4 ? address.join('.') : asText(address).match(/.{4}/g)!.join(':');
}

/** Sends all in a namespace of their own; the answers, in order. */
function sendAll(
  program: string,
  tunnel: Tunnel,
  direction: 'tx' | 'rx',
  packets: readonly Sent[],
): Outcome[] {
  const routes = ROUTES.map(({ subnet, bits, host, port }) => {
    const remote = addressText(hostAddress(tunnel.underlay, host));
    return `route ${addressText(subnet)} ${bits} ${remote} ${port}`;
  });
  const lines = packets.map(({ bytes, segmentBytes }) => `${direction} ${segmentBytes} ${asText(bytes)}`);
  return ask(program, tunnel, [...routes, ...lines]);
}

function ask(program: string, { encapsulation, underlay }: Tunnel, lines: readonly string[]): Outcome[] {
  const output = execFileSync('unshare', ['--net', program, encapsulation, String(underlay)], {
    input: `${lines.join('\n')}\n`,
    maxBuffer: 1 << 28,
  }).toString();
  const answers = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  return answers.map(([action = '', bytes = '']) => ({ action, bytes: hex(bytes) }));
}

function assertAll(
  packets: readonly Sent[],
  actual: readonly Outcome[],
  expected: readonly Outcome[],
  taken: string,
): void {
  const text = ({ action, bytes }: Outcome): string => `${action} ${Buffer.from(bytes).toString('hex')}`;
  assert.equal(actual.length, packets.length);
  for (const [index, sent] of packets.entries())
    assert.equal(
      text(actual[index]!),
      text(expected[index]!),
      `of ${text({ action: String(sent.segmentBytes), bytes: sent.bytes })}`,
    );
  // Else the comparison would be of nothing.
  const share = actual.filter(({ action }) => action === taken).length / actual.length;
  assert.ok(share > 0.1 && share < 0.9, `${share} of the packets were taken`);
}

const UDP: Tunnel = { encapsulation: 'udp', underlay: 4 };
/** The last three bytes of the first word, behind the Ethernet header; the first one has 4 bits of it. */
const FLOW_LABEL_OFFSET = 14 + 1;

function isSameTunnel(a: Tunnel, b: Tunnel): boolean {
  return a.encapsulation === b.encapsulation && a.underlay === b.underlay;
}

/** The kernel's hash of the flow is none that the specification could know. */
function withoutFlowLabel({ underlay }: Tunnel, { action, bytes }: Outcome): Outcome {
  if (underlay === 4 || action !== 'wire') return { action, bytes };
  const cleared = Uint8Array.of(bytes[FLOW_LABEL_OFFSET]! & 0xf0, 0, 0);
  return {
    action,
    bytes: concat(bytes.slice(0, FLOW_LABEL_OFFSET), cleared, bytes.slice(FLOW_LABEL_OFFSET + 3)),
  };
}

describe("the kernel's share against its specification", function () {
  this.timeout(120_000);
  let program = '';
  before(() => (program = build()));

  const tunnels = ENCAPSULATIONS.flatMap((encapsulation) =>
    FAMILIES.map((underlay) => ({ encapsulation, underlay })),
  );
  for (const tunnel of tunnels) {
    const name = `${tunnel.encapsulation} over IPv${tunnel.underlay}`;
    it(`${name}, to the underlay: ${PACKETS} packets`, () => {
      const packets = fc.sample(sentOut, PACKETS);
      const outcomes = sendAll(program, tunnel, 'tx', packets);
      assertAll(
        packets,
        outcomes.map((outcome) => withoutFlowLabel(tunnel, outcome)),
        packets.map((sent) => expectedTx(tunnel, sent)),
        'wire',
      );
    });

    it(`${name}, from the underlay: ${PACKETS} frames`, () => {
      const frames = fc.sample(
        anyFrame.filter(([of, sent]) => isSameTunnel(of, tunnel) && isTestable(sent)),
        PACKETS,
      );
      const packets = frames.map(([, sent]) => sent);
      const outcomes = sendAll(program, tunnel, 'rx', packets);
      assertAll(
        packets,
        outcomes,
        packets.map((sent) => expectedRx(tunnel, sent)),
        String(REDIRECT),
      );
    });
  }

  it('over IPv6, to the underlay: a flow has one flow label, and others have others', () => {
    const flows = [1, 1, 2, 3].map((port) => {
      const packet = anyUdpTo(Uint8Array.of(10, 1, 2, 9));
      packet.set([port], 21);
      return { bytes: packet, segmentBytes: 0 };
    });
    const labels = sendAll(program, { encapsulation: 'udp', underlay: 6 }, 'tx', flows).map(({ bytes }) =>
      asText(bytes.subarray(FLOW_LABEL_OFFSET, FLOW_LABEL_OFFSET + 3)),
    );
    assert.equal(labels[0], labels[1]);
    assert.equal(new Set(labels).size, 3);
  });

  it('over IPv6, to the underlay: a peer that needs checksums has its packets from the workers', () => {
    const tunnel: Tunnel = { encapsulation: 'udp', underlay: 6 };
    const send = `tx 0 ${asText(anyUdpTo(Uint8Array.of(10, 9, 1, 1)))}`;
    const route = 'route 10.9.1.0 24 2001:db8::2 8285';
    const answers = ask(program, tunnel, [`${route} checksums`, send, route, send]);
    assert.deepEqual(
      answers.map(({ action }) => action),
      ['tun', 'wire'],
    );
  });

  it('udp, to the underlay: a header whose checksum becomes 0', () => {
    const sent = { bytes: zeroChecksumTo(Uint8Array.of(10, 1, 2, 9)), segmentBytes: 0 };
    const [outcome] = sendAll(program, UDP, 'tx', [sent]);
    assert.equal(outcome?.action, 'wire');
    assert.equal(asText(outcome.bytes.subarray(INNER_CHECKSUM_OFFSET).subarray(0, 2)), '0000');
    assert.equal(asText(outcome.bytes), asText(expectedTx(UDP, sent).bytes));
  });

  it('has a second table for routes that the first has no room for', () => {
    const fill = Array.from(
      { length: 16_384 },
      (_, index) => `route 100.64.${index >> 8}.${index & 255} 32 192.0.2.2 8472`,
    );
    const send = `tx 0 ${asText(anyUdpTo(Uint8Array.of(10, 9, 1, 1)))}`;
    const [wide, narrow] = ['10.9.0.0 16', '10.9.1.0 24'];
    const answers = ask(program, UDP, [
      `route ${wide} 192.0.2.2 8285`,
      ...fill.slice(1),
      `route ${narrow} 192.0.2.3 8285`,
      send,
      `unroute ${narrow}`,
      send,
      // Again the first of its length in the second table,
      fill[0]!,
      `route ${narrow} 192.0.2.3 8285`,
      send,
      // then with room in the first one,
      `unroute ${narrow}`,
      'unroute 100.64.1.1 32',
      `route ${narrow} 192.0.2.3 8285`,
      send,
      // and none any more.
      `unroute ${narrow}`,
      `unroute ${wide}`,
      send,
    ]);
    const hops = answers.map(({ action, bytes }) => (action === 'wire' ? bytes[REMOTE_OFFSET] : action));
    assert.deepEqual(hops, [3, 2, 3, 3, 'tun']);
  });
});

/** Of an inner header with encapsulation udp, behind Ethernet, IPv4 and UDP. */
const INNER_CHECKSUM_OFFSET = 14 + 28 + 10;

/** A packet whose header checksum is 0 once its TTL is one less (RFC 1624 §3). */
function zeroChecksumTo(address: Uint8Array): Uint8Array {
  const packet = anyUdpTo(address);
  const later = packet.slice(0, 20);
  later.set([later[8]! - 1], 8);
  later.set([0, 0], 10);
  // The identification takes what the sum lacks.
  const lack = internetChecksum(later);
  packet.set([lack >> 8, lack & 255], 4);
  packet.set([0, 0], 10);
  const sum = internetChecksum(packet.subarray(0, 20));
  packet.set([sum >> 8, sum & 255], 10);
  return packet;
}

/** Last byte of the outer destination, behind the Ethernet header. */
const REMOTE_OFFSET = 14 + 19;

function anyUdpTo(address: Uint8Array): Uint8Array {
  const packet = new Uint8Array(28);
  packet.set([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17]);
  packet.set([10, 1, 1, 1], 12);
  packet.set(address, 16);
  packet.set([0, 9, 0, 9, 0, 8], 20);
  const sum = internetChecksum(packet.subarray(0, 20));
  packet.set([sum >> 8, sum & 255], 10);
  return packet;
}
