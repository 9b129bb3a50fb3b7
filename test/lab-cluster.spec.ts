// A cluster comes up: every container reaches every other, and each host's kernel holds exactly what flannel's would.
import assert from 'node:assert/strict';
import { checkLab } from '../lab/run.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { ask, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

/** weft's routing protocol number, as `ip -j` prints it. */
const PROTOCOL = '87';

for (const hosts of [3, 10]) {
  describe(`a cluster of ${hosts} hosts`, () => {
    const lab = useLab({ hosts });

    it('reaches everything from everywhere, each host with a subnet of its own', async () => {
      const report = await checkLab(lab(), () => undefined);
      assert.deepEqual({ lost: report.ping.lost, ok: report.ok }, { lost: 0, ok: true });
      assert.equal(report.ping.pairs, hosts * (hosts - 1));
      assert.equal(new Set(report.hosts.map((host) => host.subnet)).size, hosts);
      assert.ok((report.tcpGbitPerSec ?? 0) > 0);
    });

    it('is healthy to weft doctor', () => assertHealthy(lab()));

    it('writes subnet.env as flannel does', async () => {
      const { subnet } = await viewOf(lab(), 'h1');
      const address = subnet.replace('.0/24', '.1/24');
      const expected = [
        'FLANNEL_NETWORK=10.5.0.0/16',
        `FLANNEL_SUBNET=${address}`,
        'FLANNEL_MTU=1450',
        'FLANNEL_IPMASQ=false',
        '',
      ];
      assert.equal(await lab().readSubnetEnv('h1'), expected.join('\n'));
    });

    it('makes the device as flannel does', async () => {
      const { subnet, publicIp } = await viewOf(lab(), 'h1');
      const [link] = await ask<{
        mtu: number;
        txqlen?: number;
        flags: string[];
        linkinfo: { info_kind: string; info_data: object };
      }>(lab(), 'h1', 'ip -j -d link show flannel.1');
      const { info_kind: kind, info_data: data } = link!.linkinfo;
      const facts = { mtu: link!.mtu, isUp: link!.flags.includes('UP'), kind, ...pick(data) };
      assert.deepEqual(facts, {
        mtu: 1450,
        isUp: true,
        kind: 'vxlan',
        id: 1,
        local: publicIp,
        link: 'eth0',
        port: 8472,
        learning: false,
        ageing: 300,
        udp_csum: true,
        ttl: 0,
      });
      const [addresses] = await ask<{
        addr_info: { family: string; local: string; prefixlen: number; scope: string }[];
      }>(lab(), 'h1', 'ip -j -d addr show flannel.1');
      const inet = addresses!.addr_info.filter((address) => address.family === 'inet');
      assert.deepEqual(
        inet.map(({ local, prefixlen, scope }) => ({ local, prefixlen, scope })),
        [{ local: subnet.split('/')[0], prefixlen: 32, scope: 'global' }],
      );
    });

    it('has exactly one neighbour, FDB entry and route a peer', async () => {
      const names = lab().topology.hosts.map((host) => host.name);
      await Promise.all(names.map((name) => waitUntilReady(lab(), name)));
      for (const name of names.slice(0, 3)) {
        const peers = await Promise.all(
          names.filter((other) => other !== name).map((other) => viewOf(lab(), other)),
        );
        assert.deepEqual(await kernelOf(name), expectedKernel(peers));
      }
    });

    async function kernelOf(name: string) {
      const routes = await ask<Record<string, unknown>>(lab(), name, 'ip -j -d route show dev flannel.1');
      const neighbours = await ask<{ dst: string; lladdr: string; state: string[] }>(
        lab(),
        name,
        'ip -j neigh show dev flannel.1',
      );
      const entries = await ask<{ mac: string; dst?: string; state: string; flags: string[] }>(
        lab(),
        name,
        'bridge -j fdb show dev flannel.1',
      );
      return {
        routes: sorted(
          routes.map(({ type, dst, gateway, protocol, scope, flags }) => ({
            type,
            dst,
            gateway,
            protocol,
            scope,
            flags,
          })),
        ),
        neighbours: sorted(neighbours.map(({ dst, lladdr, state }) => ({ dst, lladdr, state }))),
        fdb: sorted(
          entries
            .filter((entry) => entry.dst !== undefined)
            .map(({ mac, dst, state, flags }) => ({ mac, dst, state, flags })),
        ),
      };
    }
  });
}

function pick(data: object) {
  const { id, local, link, port, learning, ageing, udp_csum, ttl } = { ttl: 0, ...data } as Record<
    string,
    unknown
  >;
  return { id, local, link, port, learning, ageing, udp_csum, ttl };
}

function expectedKernel(peers: readonly { subnet: string; mac: string; publicIp: string }[]) {
  const network = (subnet: string) => subnet.split('/')[0];
  return {
    routes: sorted(
      peers.map(({ subnet }) => ({
        type: 'unicast',
        dst: subnet,
        gateway: network(subnet),
        protocol: PROTOCOL,
        scope: 'global',
        flags: ['onlink'],
      })),
    ),
    neighbours: sorted(
      peers.map(({ subnet, mac }) => ({ dst: network(subnet), lladdr: mac, state: ['PERMANENT'] })),
    ),
    fdb: sorted(
      peers.map(({ mac, publicIp }) => ({ mac, dst: publicIp, state: 'permanent', flags: ['self'] })),
    ),
  };
}

function sorted<Row>(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
