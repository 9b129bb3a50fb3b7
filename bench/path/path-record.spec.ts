import assert from 'node:assert/strict';
import { measuresOfRuns, type PathRun } from './path-record.ts';
import type { Measure } from '../record.ts';

function run(round: number, candidate: string, metric: string, value: number): PathRun {
  const conditions = { topology: 'containers', underlay: 'wire', family: 4, mtu: 1450, load: 1 } as const;
  return { round, candidate, ...conditions, metric, unit: 'Gbit/s', value };
}

describe('measures of the path', () => {
  it('have a value for each round, none where a candidate failed, and the cause', () => {
    const { unit: _unit, value: _value, ...lost } = run(1, 'fastd', 'tcp-cubic', 0);
    const measures = measuresOfRuns([
      run(0, 'fastd', 'tcp-cubic', 0.5),
      run(0, 'kernel-vxlan', 'tcp-cubic', 10),
      { ...lost, failure: 'killed' },
      run(1, 'kernel-vxlan', 'tcp-cubic', 11),
    ]);
    const [measure] = measures;
    assert.equal(measure!.reference, 'kernel-vxlan');
    assert.deepEqual(
      measure!.subjects.map(({ name, rounds, failure }) => ({ name, rounds, failure })),
      [
        { name: 'kernel-vxlan', rounds: [10, 11], failure: undefined },
        { name: 'fastd', rounds: [0.5, null], failure: 'killed' },
      ],
    );
  });

  it('keep underlays and families apart', () => {
    const wire = run(0, 'host-gw', 'tcp-cubic', 10);
    const measures = measuresOfRuns([
      wire,
      { ...wire, value: 30, underlay: 'uncut' },
      { ...wire, value: 9, family: 6 },
    ]);
    assert.deepEqual(
      measures.map(({ name, subjects }) => [name, subjects[0]!.rounds]),
      [
        ['tcp-cubic, wire', [10]],
        ['tcp-cubic, uncut', [30]],
        ['tcp-cubic, wire, IPv6', [9]],
      ],
    );
  });

  it('threshold of many peers what is left beside a bare veth, where that was measured', () => {
    const runs = [run(0, 'weft-vxlan', 'peers-1-raw', 100), run(0, 'weft-vxlan', 'peers-10k-raw', 85)];
    const bound = [run(0, 'veth', 'peers-1-raw', 200), run(0, 'veth', 'peers-10k-raw', 180)];
    const ratioOf = (all: PathRun[]) => measuresOfRuns(all).find(({ unit }) => unit === 'ratio')!;
    const thresholdOf = ({ subjects }: Measure) =>
      subjects.find(({ name }) => name === 'weft-vxlan')?.threshold;
    assert.deepEqual(thresholdOf(ratioOf(runs)), { of: 'value', atLeast: 0.9 });
    const bounded = ratioOf([...runs, ...bound]);
    assert.deepEqual([bounded.reference, thresholdOf(bounded)], ['veth', { of: 'ratio', atLeast: 0.9 }]);
  });

  it('have ratios to others than the reference as measures of their own', () => {
    const measures = measuresOfRuns([
      run(0, 'weft-vxlan', 'peers-1', 100),
      run(0, 'weft-vxlan', 'peers-10k', 50),
      run(0, 'weft-vxlan', 'tcp-cubic', 8),
      run(0, 'fastd', 'tcp-cubic', 0.5),
    ]);
    const ratios = measures.filter(({ unit }) => unit === 'ratio');
    assert.deepEqual(
      ratios.map(({ name, subjects }) => [name, subjects[0]!.rounds]),
      [
        ["tcp-cubic ÷ fastd's, wire", [16]],
        ['peers-10k ÷ peers-1, wire', [0.5]],
      ],
    );
  });
});
