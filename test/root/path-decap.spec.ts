// The decapsulating device and the joining pair of the packet path: what they receive, what they reject, and how long they exist.
// Loading a BPF program takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { packageRoot } from '../../lab/package-root.ts';
import { waitFor } from '../../lab/wait.ts';
import { CHANGES_FAMILY } from '../support/kernel-features.ts';
import type { PathEnd } from '../support/path/path-host.ts';
import {
  assertAnswered,
  assertIntact,
  ENCAPSULATIONS,
  FAMILIES,
  growth,
  usePair,
} from '../support/path/path-suite.ts';

const WEFT = join(packageRoot(), 'bin/weft');
const PATIENCE_MS = 10_000;
const tuning = { useBpf: true };

interface Vxlan {
  readonly ifname: string;
  readonly address: string;
  readonly linkinfo: { readonly info_data: { readonly id: number; readonly port: number } };
}

async function decapDevices(end: PathEnd): Promise<readonly Vxlan[]> {
  const links = JSON.parse(
    await end.run(['ip', '-j', '-d', 'link', 'show', 'type', 'vxlan']),
  ) as Partial<Vxlan>[];
  return links.filter((link): link is Vxlan => link.ifname?.startsWith('weft-rx') === true);
}

async function receivedBy(end: PathEnd, link: string): Promise<number> {
  const [row] = JSON.parse(await end.run(['ip', '-s', '-j', 'link', 'show', link])) as {
    stats64: { rx: { packets: number } };
  }[];
  return row!.stats64.rx.packets;
}

const TUNNELS = ENCAPSULATIONS.flatMap((encapsulation) =>
  FAMILIES.map((underlay) => ({ encapsulation, underlay })),
);

for (const { encapsulation, underlay } of TUNNELS)
  describe(`the decapsulating device of ${encapsulation} over IPv${underlay}`, () => {
    const pairOf = usePair({ encapsulation, underlay, hasOffloads: true, tuning });

    it('receives TCP on a host that translates any addresses', async () => {
      const pair = pairOf();
      // With any such rule the kernel checks the sockets that packets were assigned to.
      const chain = 'add chain inet nat x { type nat hook postrouting priority 100; }';
      const rule = 'add rule inet nat x ip saddr 192.0.2.1 masquerade';
      await pair.b.run(['nft', `add table inet nat; ${chain}; ${rule}`]);
      const tcp = await growth(pair.b, () => assertIntact(pair, 4, 4_000_000));
      await pair.b.run(['nft', 'delete table inet nat']);
      assert.ok(tcp['kernelDecapPackets']! > tcp['rxPackets']! * 0.9, JSON.stringify(tcp));
    });

    for (const family of FAMILIES)
      it(`receives TCP over IPv${family}, and other packets pass it by`, async () => {
        const pair = pairOf();
        const tcp = await growth(pair.b, () => assertIntact(pair, family, 4_000_000));
        assert.ok(tcp['kernelDecapPackets']! > tcp['rxPackets']! * 0.9, JSON.stringify(tcp));
        const other = await growth(pair.b, () => assertAnswered(pair.a, pair.b.overlay[family]));
        const isTaken = family === underlay || CHANGES_FAMILY;
        assert.deepEqual([other['kernelRxPackets'], other['kernelDecapPackets']], [isTaken ? 1 : 0, 0]);
      });

    it('is made again after someone removed it, and until then the program delivers TCP itself', async () => {
      const pair = pairOf();
      const [before] = await decapDevices(pair.b);
      await pair.b.ip([`link delete ${before!.ifname}`]);
      const without = await growth(pair.b, () => assertIntact(pair, underlay, 1_000_000));
      assert.equal(without['kernelDecapPackets'], 0);
      assert.ok(without['kernelRxPackets']! > 0, JSON.stringify(without));
      await pair.b.status({ refresh: true });
      const after = await growth(pair.b, () => assertIntact(pair, underlay, 1_000_000));
      assert.ok(after['kernelDecapPackets']! > 0, JSON.stringify(after));
      assert.equal((await decapDevices(pair.b)).length, 1);
    });

    it('drops what another host sends to its port, even with its VNI and address', async () => {
      const { a, b } = pairOf();
      const [device] = await decapDevices(b);
      const { id, port } = device!.linkinfo.info_data;
      await a.ip([
        `link add forged type vxlan id ${id} dstport ${port} remote ${b.underlay[underlay]} local ${a.underlay[underlay]} nolearning`,
        'link set forged addrgenmode none up',
        'address add 10.99.0.1/24 dev forged',
        `neighbour add 10.99.0.2 lladdr ${device!.address} dev forged`,
      ]);
      await b.ip(['address add 10.99.0.2/32 dev lo', `route add 10.99.0.1 dev ${b.device}`]);
      const received = await b.kernelCounter('IcmpInEchos');
      const arrived = await receivedBy(b, device!.ifname);
      const answer = await a.run(['sh', '-c', 'ping -q -n -c 3 -i 0.05 -W 1 10.99.0.2 || true']);
      await a.ip(['link delete forged']);
      assert.match(answer, / 0 received/);
      assert.equal(await b.kernelCounter('IcmpInEchos'), received);
      // Else they did not reach the device at all.
      assert.ok((await receivedBy(b, device!.ifname)) >= arrived + 3);
    });

    it('ends with its process, however that ends', async () => {
      const { b } = pairOf();
      assert.equal((await decapDevices(b)).length, 1);
      await b.close('SIGKILL');
      await waitFor('the device to be gone', async () => (await decapDevices(b)).length === 0, PATIENCE_MS);
    });
  });

/** Ends of the joining pair of a host. */
async function pairEnds(end: PathEnd): Promise<readonly string[]> {
  const links = JSON.parse(await end.run(['ip', '-j', 'link', 'show', 'type', 'veth'])) as {
    ifname: string;
  }[];
  return links.flatMap(({ ifname }) => (/^weft-[rt]j/.test(ifname) ? [ifname] : [])).toSorted();
}

/** Packets that the receiving end of the joining pair has taken while `action` goes on. */
async function joinedDuring(end: PathEnd, action: () => Promise<unknown>): Promise<number> {
  const [receiver] = await pairEnds(end);
  const earlier = await receivedBy(end, receiver!);
  await action();
  return (await receivedBy(end, receiver!)) - earlier;
}

for (const { encapsulation, underlay } of TUNNELS)
  describe(`the joining pair of ${encapsulation} over IPv${underlay}`, () => {
    const pairOf = usePair({ encapsulation, underlay, tuning });

    for (const family of FAMILIES)
      it(`receives TCP over IPv${family}, and other packets pass it by`, async () => {
        const pair = pairOf();
        const { a, b } = pair;
        let grown: Readonly<Record<string, number>> = {};
        const joined = await joinedDuring(b, async () => {
          grown = await growth(b, () => assertIntact(pair, family, 4_000_000));
        });
        assert.equal(joined, grown['kernelDecapPackets'], JSON.stringify(grown));
        const isTaken = family === underlay || CHANGES_FAMILY;
        if (isTaken) assert.ok(joined > grown['rxPackets']! * 0.9, JSON.stringify(grown));
        else assert.equal(joined, 0, JSON.stringify(grown));
        assert.equal(await joinedDuring(b, () => assertAnswered(a, b.overlay[family])), 0);
      });

    for (const [what, breaks] of [
      ['removed', (end: string) => `link delete ${end}`],
      ['set down', (end: string) => `link set ${end} down`],
    ] as const)
      it(`is made again after it was ${what}`, async () => {
        const pair = pairOf();
        const [receiver] = await pairEnds(pair.b);
        await pair.b.ip([breaks(receiver!)]);
        await pair.b.status({ refresh: true });
        assert.equal((await pairEnds(pair.b)).length, 2);
        assert.ok((await joinedDuring(pair.b, () => assertIntact(pair, underlay, 1_000_000))) > 0);
      });

    it('is made again after its filter was removed', async () => {
      const pair = pairOf();
      const [receiver] = await pairEnds(pair.b);
      await pair.b.run(['tc', 'qdisc', 'delete', 'dev', receiver!, 'clsact']);
      await pair.b.status({ refresh: true });
      assert.ok((await joinedDuring(pair.b, () => assertIntact(pair, underlay, 1_000_000))) > 0);
    });

    it('drops frames that the program of the underlay interface did not write', async () => {
      const { b } = pairOf();
      const [receiver, sender] = await pairEnds(b);
      const received = await b.kernelCounter('IcmpInEchos');
      const [{ address }] = JSON.parse(await b.run(['ip', '-j', 'link', 'show', receiver!])) as [
        { address: string },
      ];
      await b.ip([
        'address add 10.99.0.2/32 dev lo',
        `route add 10.99.0.3 dev ${sender}`,
        `neighbour replace 10.99.0.3 lladdr ${address} dev ${sender} nud permanent`,
      ]);
      const arrived = await joinedDuring(b, () =>
        b.run(['sh', '-c', 'ping -q -n -c 3 -i 0.05 -W 1 -I 10.99.0.2 10.99.0.3 || true']),
      );
      assert.ok(arrived >= 3, `${arrived}`);
      assert.equal(await b.kernelCounter('IcmpInEchos'), received);
    });

    it('is replaced by the decapsulating device once a super-packet comes', async () => {
      const pair = pairOf();
      const { a, b } = pair;
      await a.run(['ethtool', '-K', 'eth0', 'tx', 'on', 'tso', 'on', 'gso', 'on']);
      await assertIntact(pair, underlay, 4_000_000);
      await a.run(['ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off']);
      const [device] = await decapDevices(b);
      const earlier = await receivedBy(b, device!.ifname);
      const joined = await joinedDuring(b, () => assertIntact(pair, underlay, 1_000_000));
      assert.equal(joined, 0);
      assert.ok((await receivedBy(b, device!.ifname)) > earlier);
    });

    it('ends with its process, and with the next one if that was killed', async () => {
      const pair = pairOf();
      const { b } = pair;
      const [first] = await pairEnds(b);
      await b.close('SIGKILL');
      assert.ok((await pairEnds(b)).includes(first!));
      await pair.reopen('b');
      const later = await pairEnds(b);
      assert.equal(later.length, 2);
      assert.ok(!later.includes(first!));
      await b.close();
      await waitFor('the pair to be gone', async () => (await pairEnds(b)).length === 0, PATIENCE_MS);
    });

    it('of a killed process is removed by weft cleanup', async () => {
      const pair = pairOf();
      const { b } = pair;
      await pair.reopen('b');
      await b.close('SIGKILL');
      assert.equal((await pairEnds(b)).length, 2);
      await b.run([WEFT, 'cleanup', '--force', '--subnet-file', '/run/none/subnet.env']);
      assert.deepEqual(await pairEnds(b), []);
    });
  });

describe('traffic of a peer with workers', () => {
  const pairOf = usePair({ encapsulation: 'udp', underlay: 4, workerEnds: ['b'], tuning });

  it('is left to the workers whole: a single datagram overtakes none that UDP GRO has joined', async () => {
    const pair = pairOf();
    await pair.a.run(['ethtool', '-K', 'eth0', 'gro', 'on']);
    const grown = await growth(pair.a, async () => {
      await assertIntact(pair, 4, 4_000_000);
      await assertAnswered(pair.b, pair.a.overlay[4]);
    });
    assert.equal(grown['kernelRxPackets'], 0);
    assert.ok(grown['rxPackets']! > 1000, JSON.stringify(grown));
  });
});
