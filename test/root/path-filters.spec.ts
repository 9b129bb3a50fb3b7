// The BPF fast path attached as before Linux 6.6, by filters of the clsact qdisc. Unlike TCX links they outlive their process:
// nothing of weft may stay after it is stopped, and nothing may be lost to what a killed one left.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import type { PathEnd } from '../support/path/path-host.ts';
import { assertAnswered, growth, ping, usePair } from '../support/path/path-suite.ts';

const WEFT = join(packageRoot(), 'bin/weft');

/** Lines of `tc filter show` at the underlay's ingress that name a program of weft. */
async function filtersOf(end: PathEnd): Promise<readonly string[]> {
  const shown = await end.run(['tc', 'filter', 'show', 'dev', 'eth0', 'ingress']);
  return shown.split('\n').filter((line) => line.includes(' weft '));
}

describe('filters of the BPF fast path', () => {
  const pairOf = usePair({
    encapsulation: 'udp',
    underlay: 4,
    tuning: { useBpf: true, avoidsBpfLinks: true },
  });

  it('take packets in both directions, with one filter on the underlay interface', async () => {
    const { a, b } = pairOf();
    const grown = await growth(a, () => assertAnswered(b, a.overlay[4], '-i', '0.01', '-c', '1'));
    assert.ok(grown['kernelRxPackets']! >= 1 && grown['kernelTxPackets']! >= 1, JSON.stringify(grown));
    assert.equal((await filtersOf(a)).length, 1);
  });

  it('are gone after the process is stopped', async () => {
    const pair = pairOf();
    await pair.a.close();
    assert.deepEqual(await filtersOf(pair.a), []);
    await pair.reopen('a');
    await assertAnswered(pair.b, pair.a.overlay[4]);
  });

  it('let packets pass to other sockets after the process was killed', async () => {
    const { a, b } = pairOf();
    await a.close('SIGKILL');
    assert.equal((await filtersOf(a)).length, 1);
    const before = await a.kernelCounter('UdpNoPorts');
    await ping(b, a.overlay[4]);
    assert.ok((await a.kernelCounter('UdpNoPorts')) > before);
  });

  it('of a killed process are replaced by those of the next', async () => {
    const pair = pairOf();
    await pair.reopen('a');
    await assertAnswered(pair.b, pair.a.overlay[4]);
    assert.equal((await filtersOf(pair.a)).length, 1);
  });

  it('of a killed process are removed by weft cleanup', async () => {
    const { a } = pairOf();
    await a.close('SIGKILL');
    const listed = await a.run([
      WEFT,
      'cleanup',
      '--dry-run',
      '--force',
      '--subnet-file',
      '/run/none/subnet.env',
    ]);
    assert.match(listed, /1 BPF filter/);
    await a.run([WEFT, 'cleanup', '--force', '--subnet-file', '/run/none/subnet.env']);
    assert.deepEqual(await filtersOf(a), []);
  });
});
