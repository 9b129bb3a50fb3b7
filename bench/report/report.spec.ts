import assert from 'node:assert/strict';
import type { BenchRecord, Measure } from '../record.ts';
import { plotGroupsOf, formatReport } from './html.ts';
import { drawPicture } from './picture.ts';

const TCP: Measure = {
  name: 'tcp-cubic, wire',
  unit: 'Gbit/s',
  better: 'more',
  reference: 'kernel-vxlan',
  subjects: [
    { name: 'kernel-vxlan', rounds: [10, 20, 10] },
    { name: 'weft-vxlan', rounds: [9, 22, 12], threshold: { of: 'ratio', atLeast: 0.85 } },
    { name: 'tinc', rounds: [null, null, null], failure: 'no <device>' },
  ],
};

const LONE: readonly Measure[] = [
  { name: 'start', unit: 'ms', better: 'less', subjects: [{ name: 'weft', rounds: [450, 460] }] },
  { name: 'join', unit: 'ms', better: 'less', subjects: [{ name: 'weft', rounds: [8, 9] }] },
  { name: 'memory', unit: 'MB', better: 'less', subjects: [{ name: 'weft', rounds: [70, 71] }] },
];

function record(measures: readonly Measure[], benchmark = 'path'): BenchRecord {
  const machine = {
    cpu: 'Fast & Co',
    cores: 2,
    memoryGiB: 4,
    kernel: '6.18',
    node: 'v20',
    virtualisation: 'none',
    load: 1,
  };
  const benchmarks = [{ benchmark, invalidatedBy: 'it is < 1', conditions: { mtu: 1500 }, measures }];
  return { version: 2, takenAt: '2026-01-01T00:00:00.000Z', machine, benchmarks };
}

describe('report', () => {
  const html = formatReport([record([TCP, ...LONE])]);

  it('shows machine, conditions, unit, medians with ratios', () => {
    assert.match(html, /Linux 6\.18, Fast &amp; Co, 2 cores/);
    assert.match(html, /Conditions: mtu 1500/);
    assert.match(html, /Gbit\/s, more is better/);
    assert.match(html, /12\.0 {2}\(×1\.10\)/);
  });

  it('names what would invalidate each claim, and whether it is met', () => {
    assert.match(html, /weft-vxlan: at least 0\.850 × kernel-vxlan/);
    assert.match(html, /<td class="met">met<\/td><td>the median .* is below 0\.850 × kernel-vxlan/);
    assert.match(html, /Would be false if: it is &lt; 1\./);
  });

  it('names what could not be measured', () => {
    assert.match(html, /Not measured: tinc: no &lt;device&gt;/);
  });

  it('draws measures of one subject and one unit together, others by themselves', () => {
    const [benchmark] = record([TCP, ...LONE]).benchmarks;
    assert.deepEqual(
      plotGroupsOf(benchmark!).map(({ title, rows }) => [title, rows.map(({ label }) => label)]),
      [
        ['tcp-cubic, wire', ['kernel-vxlan', 'weft-vxlan']],
        ['In ms', ['start', 'join']],
        ['In MB', ['memory']],
      ],
    );
  });
});

describe('picture', () => {
  it('shows ratios beside the reference, and the machine', () => {
    const svg = drawPicture([record(LONE, 'boot'), record([TCP])]);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.match(svg, />1\.10</);
    assert.match(svg, /Fast &amp; Co/);
  });

  it('needs a path that was measured beside the kernel', () => {
    assert.throws(
      () => drawPicture([record(LONE)]),
      /A picture needs benchmark path with some of tcp-cubic, wire/,
    );
  });
});
