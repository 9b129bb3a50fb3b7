import assert from 'node:assert/strict';
import type { BenchRecord, Measure } from '../record.ts';
import { fillTables } from './tables.ts';

function measure(name: string, rounds: number[], own: number[]): Measure {
  const [metric, ...circumstances] = name.split(', ');
  return {
    name,
    group: `${metric} title`,
    title: circumstances.join(', '),
    unit: 'Gbit/s',
    better: 'more',
    reference: 'kernel-vxlan',
    subjects: [
      { name: 'kernel-vxlan', rounds },
      { name: 'weft-udp', rounds: own },
    ],
  };
}

const RECORD: BenchRecord = {
  version: 2,
  takenAt: '2026-01-31T12:00:00.000Z',
  machine: {
    cpu: 'Fast',
    cores: 2,
    memoryGiB: 4,
    kernel: '6.1',
    node: 'v20',
    virtualisation: 'none',
    load: 1,
  },
  benchmarks: [
    {
      benchmark: 'path',
      invalidatedBy: '',
      conditions: {},
      measures: [
        measure('tcp, wire', [4, 2, 4], [2, 2, 4]),
        measure('tcp, wire, IPv6', [1, 1, 1], [0.5, 0.5, 0.5]),
        measure('rr, wire', [9, 9, 9], [9, 9, 9]),
      ],
    },
  ],
};

const page = (heading: string, table: string) =>
  `before\n<!-- ${heading} -->\n${table}<!-- bench end -->\nafter\n`;

describe('tables of pages', () => {
  const filled = fillTables(page('bench path: tcp,rr; wire,wire, IPv6; weft-udp,socat', ''), [RECORD]);

  it('have the rows and columns that their comments name, as far as they were measured', () => {
    const rows = filled.split('\n').filter((line) => line.startsWith('|'));
    assert.deepEqual(rows, [
      '|  | `kernel-vxlan` | `weft-udp` | `socat` |',
      '| --- | --- | --- | --- |',
      '| tcp title, wire | 4.00 Gbit/s | 1.00 [0.500–1.00] | – |',
      '| tcp title, wire, IPv6 | 1.00 Gbit/s | 0.500 [0.500–0.500] | – |',
      '| rr title, wire | 9.00 Gbit/s | 1.00 [1.00–1.00] | – |',
    ]);
  });

  it('name the rounds, the day and the machine, and leave the rest of the page alone', () => {
    assert.match(filled, /^before\n/);
    assert.match(filled, /3 interleaved rounds, 2026-01-31\.\nLinux 6\.1, Fast, 2 cores/);
    assert.match(filled, /<!-- bench end -->\nafter\n$/);
  });

  it('are replaced by those of a later run', () => {
    assert.equal(fillTables(filled, [RECORD]), filled);
  });

  it('need what they name', () => {
    assert.throws(
      () => fillTables(page('bench path: udp; wire; weft-udp', ''), [RECORD]),
      /A table needs benchmark path with some of udp under wire, beside a reference: run weft bench path/,
    );
  });
});
