// What may drop packets, from output of tc(8).
import assert from 'node:assert/strict';
import type { Facts } from '../facts.ts';
import { readSuspects } from './suspects.ts';

/** Text by the third word of `tc -j …`. */
function find(printed: Readonly<Record<string, string>>): ReturnType<typeof readSuspects> {
  const facts = {
    ip: () => Promise.resolve([]),
    program: (...argv: readonly string[]) => Promise.resolve(printed[`${argv[2]} ${argv.at(-1)}`]),
  };
  return readSuspects(facts as unknown as Facts, ['eth0']);
}

const filter = (name: string): string =>
  JSON.stringify([
    { protocol: 'all', pref: 22_342, kind: 'bpf', chain: 0 },
    { protocol: 'all', pref: 22_342, kind: 'bpf', chain: 0, options: { handle: '0x1', bpf_name: name } },
  ]);

describe('what may drop packets of a device', () => {
  it('is no filter of the BPF fast path', async () => {
    assert.deepEqual(await find({ 'filter ingress': filter('weft'), 'filter egress': filter('weft') }), []);
    const [found] = await find({ 'filter ingress': filter('other.o:[tc]') });
    assert.equal(found?.fix, 'tc filter del dev eth0 ingress pref 22342');
  });

  for (const [what, row, fix] of [
    ['of the device', { kind: 'netem', dev: 'eth0', root: true }, 'root'],
    ['of a class', { kind: 'tbf', dev: 'eth0', handle: '20:', parent: '1:20' }, 'parent 1:20 handle 20:'],
    ['of a queue', { kind: 'netem', dev: 'eth0', parent: ':1' }, 'parent :1'],
  ] as const)
    it(`is a discipline ${what}, and no other is deleted`, async () => {
      const [found] = await find({ 'qdisc show': JSON.stringify([row]) });
      assert.equal(found?.fix, `tc qdisc del dev eth0 ${fix}`);
    });

  it('is nothing where iproute2 prints no list', async () => {
    const broken = '[{"kind":"netem","dev":"eth0",,}]';
    assert.deepEqual(await find({ 'qdisc show': broken, 'filter ingress': '{', 'filter egress': '{}' }), []);
  });
});
