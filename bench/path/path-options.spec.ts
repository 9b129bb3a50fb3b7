import assert from 'node:assert/strict';
import { parsePathOptions } from './path-options.ts';

const namesOf = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);

describe('options of the path benchmark', () => {
  it('measure between containers, on a wire and uncut, over IPv4, by default', () => {
    const { topology, underlays, families, candidates } = parsePathOptions([]);
    assert.deepEqual(
      { topology, underlays, families },
      {
        topology: 'containers',
        underlays: ['wire', 'uncut'],
        families: [4],
      },
    );
    assert.ok(namesOf(candidates).includes('host-gw'));
  });

  it('choose topology, underlay, families, candidates and measures', () => {
    const { underlays, families, candidates, measures } = parsePathOptions(
      '--underlay slow-wire --families ipv6,ipv4 --only weft-udp,kernel-vxlan --measures rr-64,tcp-8-bbr-both'.split(
        ' ',
      ),
    );
    assert.deepEqual(
      [underlays, families, namesOf(candidates), namesOf(measures)],
      [['slow-wire'], [4, 6], ['kernel-vxlan', 'weft-udp'], ['tcp-8-bbr-both', 'rr-64']],
    );
  });

  it('measure a control only if it is named, and on the underlay that it is one for', () => {
    assert.ok(!namesOf(parsePathOptions([]).candidates).includes('kernel-vxlan-late-gro'));
    const [control] = parsePathOptions(['--only', 'kernel-vxlan-late-gro']).candidates;
    assert.deepEqual(control!.underlays, ['wire']);
  });

  it('measure WireGuard, of the kernel and of wireguard-go, only if it is named', () => {
    assert.ok(!namesOf(parsePathOptions([]).candidates).some((name) => name.includes('wireguard')));
    const { candidates } = parsePathOptions(['--only', 'wireguard-go,kernel-wireguard']);
    assert.deepEqual(namesOf(candidates), ['kernel-wireguard', 'wireguard-go']);
    const [ofKernel] = parsePathOptions(['--only', 'kernel-wireguard', '--families', 'ipv6']).candidates;
    assert.ok(ofKernel?.families.includes(6));
  });

  it('offer each topology its own candidates and measures', () => {
    const hosts = parsePathOptions(['--topology', 'hosts']);
    assert.ok(namesOf(hosts.candidates).includes('veth'));
    assert.ok(namesOf(hosts.measures).includes('memory'));
    assert.throws(() => parsePathOptions(['--only', 'veth']), /--only 'veth': give some of kernel-vxlan,/);
    assert.throws(() => parsePathOptions(['--measures', 'memory']), /--measures 'memory': give some of tcp-/);
  });

  it('reject families that no chosen candidate has, and unknown names', () => {
    assert.throws(
      () => parsePathOptions(['--topology', 'hosts', '--families', 'ipv6']),
      /--families 'ipv6': none of veth,.* carries it: give ipv4, or --topology containers/,
    );
    assert.throws(
      () => parsePathOptions(['--underlay', 'cable']),
      /--underlay 'cable': give some of wire,uncut,slow-wire/,
    );
    assert.throws(
      () => parsePathOptions(['--topology', 'ring']),
      /--topology 'ring': give one of containers, hosts/,
    );
  });
});
