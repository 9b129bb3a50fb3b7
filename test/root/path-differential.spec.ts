// The BPF programs of the packet path against its specification: a packet that one takes leaves as the reference makes it, any
// other goes on as it came, and which is which is what docs/packet-path.md says. native/test/kernel-share.c sends and captures.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { packageRoot } from '../../lab/package-root.ts';
import { read16 } from '../../native/reference/index.ts';
import { anyFrame, sentOut } from '../support/kernel-share-arbitrary.ts';
import {
  hex,
  type Encapsulation,
  type Sent,
  type Outcome,
  ROUTES,
  expectedTx,
  expectedRx,
  REDIRECT,
} from '../support/kernel-share-model.ts';
import { ENCAPSULATIONS } from '../support/path-suite.ts';

const PACKETS = 1000;
/** BPF_PROG_TEST_RUN takes a page at most, and no frame that ends before its IP header does. */
const MOST_TEST_BYTES = 3500;

function isTestable({ bytes }: Sent): boolean {
  if (bytes.length < 14 || bytes.length > MOST_TEST_BYTES) return false;
  return bytes.length >= (read16(bytes, 12) === 0x86dd ? 54 : 34);
}

function build(): string {
  const root = packageRoot();
  const folder = join(root, '.build/kernel-share');
  mkdirSync(folder, { recursive: true });
  const sources = readdirSync(join(root, 'native/path')).filter((file) => file.endsWith('.c'));
  const files = ['native/test/kernel-share.c', ...sources.map((file) => `native/path/${file}`)];
  const options = ['-std=c11', '-D_GNU_SOURCE', '-O1', '-pthread', '-Wall', '-Wextra', '-Werror'];
  execFileSync('cc', [...options, '-o', join(folder, 'kernel-share'), ...files], { cwd: root });
  return join(folder, 'kernel-share');
}

/** Sends all in a namespace of their own; the answers, in order. */
function sendAll(
  program: string,
  encapsulation: Encapsulation,
  way: 'tx' | 'rx',
  packets: readonly Sent[],
): Outcome[] {
  const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const routes = ROUTES.map(
    ({ subnet, bits, remote, port }) => `route ${subnet.join('.')} ${bits} ${remote.join('.')} ${port}`,
  );
  const lines = packets.map(({ bytes, segmentBytes }) => `${way} ${segmentBytes} ${asText(bytes)}`);
  const input = [...routes, ...lines, ''].join('\n');
  const output = execFileSync('unshare', ['--net', program, encapsulation], {
    input,
    maxBuffer: 1 << 28,
  }).toString();
  const answers = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  return answers.map(([word = '', bytes = '']) => ({ word, bytes: hex(bytes) }));
}

function assertAll(
  packets: readonly Sent[],
  actual: readonly Outcome[],
  expected: readonly Outcome[],
  taken: string,
): void {
  const text = ({ word, bytes }: Outcome): string => `${word} ${Buffer.from(bytes).toString('hex')}`;
  assert.equal(actual.length, packets.length);
  for (const [index, sent] of packets.entries())
    assert.equal(
      text(actual[index]!),
      text(expected[index]!),
      `of ${text({ word: String(sent.segmentBytes), bytes: sent.bytes })}`,
    );
  // Else the comparison would be of nothing.
  const share = actual.filter(({ word }) => word === taken).length / actual.length;
  assert.ok(share > 0.1 && share < 0.9, `${share} of the packets were taken`);
}

describe("the kernel's share against its specification", function () {
  this.timeout(120_000);
  let program = '';
  before(() => (program = build()));

  for (const encapsulation of ENCAPSULATIONS) {
    it(`${encapsulation}, to the underlay: ${PACKETS} packets`, () => {
      const packets = fc.sample(sentOut, PACKETS);
      const outcomes = sendAll(program, encapsulation, 'tx', packets);
      assertAll(
        packets,
        outcomes,
        packets.map((sent) => expectedTx(encapsulation, sent)),
        'wire',
      );
    });

    it(`${encapsulation}, from the underlay: ${PACKETS} frames`, () => {
      const frames = fc.sample(
        anyFrame.filter(([kind, sent]) => kind === encapsulation && isTestable(sent)),
        PACKETS,
      );
      const packets = frames.map(([, sent]) => sent);
      const outcomes = sendAll(program, encapsulation, 'rx', packets);
      assertAll(
        packets,
        outcomes,
        packets.map((sent) => expectedRx(encapsulation, sent)),
        String(REDIRECT),
      );
    });
  }
});
