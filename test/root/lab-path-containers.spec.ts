// TCP between containers behind bridges, as the BPF fast path delivers it: whole super-packets, in order, by default and after a switch of
// the mode. Loading a BPF program takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import type { CountersV1 } from '../../api/index.ts';
import type { Lab } from '../../lab/lab.ts';
import { toolFile } from '../../lab/tools.ts';
import { waitFor } from '../../lab/wait.ts';
import { restartKept } from '../support/daemon-view.ts';
import { ask, canPing, useLab, waitUntilReady } from '../support/lab-suite.ts';

const WAIT_MS = 60_000;
const IPV4 = '"Network":"10.5.0.0/16"';
const IPV6 = '"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:5::/48"';
const BACKENDS = {
  udp: `{${IPV4},"Backend":{"Type":"udp"}}`,
  'userspace VXLAN': `{${IPV4},"Backend":{"Type":"vxlan","Userspace":true}}`,
  'udp, IPv6': `{${IPV6},"Backend":{"Type":"udp"}}`,
  'userspace VXLAN, IPv6': `{${IPV6},"Backend":{"Type":"vxlan","Userspace":true}}`,
} as const;
const BYTES = 200_000_000;
/** Of the packets that the bridge passes to a container; an MTU has 1,500. */
const LEAST_MEAN_BYTES = 8000;

interface LinkRow {
  readonly ifname: string;
  readonly stats64: { readonly tx: { readonly bytes: number; readonly packets: number } };
}

/** Counters of the packet path of a host, of all its devices. */
async function pathCounters(lab: Lab, host: string): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await lab.weft(host, ['top', '-n', '1', '--json']);
  const { paths } = JSON.parse(stdout) as CountersV1;
  const counters = Object.values(paths);
  const names = ['rxPackets', 'kernelRxPackets', 'kernelDecapPackets'];
  return Object.fromEntries(
    names.map((name) => [name, counters.reduce((sum, each) => sum + (each[name] ?? 0), 0)]),
  );
}

interface Delivery {
  readonly meanBytes: number;
  readonly reordered: number;
}

async function sentToContainer(lab: Lab): Promise<LinkRow['stats64']['tx']> {
  const [row] = await ask<LinkRow>(lab, 'h2', 'ip -s -j link show veth0');
  return row!.stats64.tx;
}

/** Reorderings that the sender has found. A loss does not count as one. */
async function reorderings(lab: Lab): Promise<number> {
  const lines = (await lab.check('c1', ['grep', 'TcpExt:', '/proc/net/netstat'])).trim().split('\n');
  const [names, values] = lines.map((line) => line.split(' '));
  const counters = ['TCPSACKReorder', 'TCPRenoReorder', 'TCPTSReorder'];
  return counters.reduce((sum, name) => sum + Number(values![names!.indexOf(name)]), 0);
}

/**
 * Moves {@link BYTES} from c1 to c2. On one CPU: on several, each has a queue of packets, and a stream whose sender the scheduler
 * moves is reordered by the kernel itself, with any tunnel.
 */
async function stream(lab: Lab): Promise<Delivery> {
  const address = await lab.containerAddress('h2');
  await lab.check('c2', ['taskset', '-c', '0', 'iperf3', '-s', '-1', '-D']);
  const [first, early] = [await sentToContainer(lab), await reorderings(lab)];
  await lab.check('c1', ['taskset', '-c', '0', 'iperf3', '-c', address, '-n', String(BYTES), '-C', 'cubic']);
  const last = await sentToContainer(lab);
  return {
    meanBytes: (last.bytes - first.bytes) / (last.packets - first.packets),
    reordered: (await reorderings(lab)) - early,
  };
}

async function decapDevices(lab: Lab, name: string): Promise<readonly string[]> {
  const rows = await ask<{ readonly ifname?: string }>(lab, name, 'ip -j link show type vxlan');
  return rows.flatMap(({ ifname }) => (ifname?.startsWith('weft-rx') === true ? [ifname] : []));
}

for (const [name, config] of Object.entries(BACKENDS))
  for (const offloads of [true, false])
    describe(`${name} between containers, ${offloads ? 'super-packets on the underlay' : 'as on a wire'}`, () => {
      const lab = useLab({ hosts: 2, bare: ['h2'], config, offloads });

      before(async () => {
        await lab().startDaemon('h2', [], [toolFile('fd-store')]);
        await waitUntilReady(lab(), 'h2');
        await lab().attachContainer('h2');
        await waitUntilReady(lab(), 'h1');
        if (!offloads)
          for (const host of ['h1', 'h2']) await lab().check(host, ['ethtool', '-K', 'eth0', 'gro', 'on']);
        await waitFor('packets in both directions', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
      });

      it('delivers a TCP stream in super-packets and in order', async () => {
        const { meanBytes, reordered } = await stream(lab());
        assert.ok(meanBytes > LEAST_MEAN_BYTES, `${meanBytes}`);
        assert.equal(reordered, 0);
      });

      it('leaves to the workers almost nothing of it', async () => {
        const earlier = await pathCounters(lab(), 'h2');
        await stream(lab());
        const later = await pathCounters(lab(), 'h2');
        const grown = (counter: string): number => later[counter]! - earlier[counter]!;
        const report = JSON.stringify({ earlier, later });
        assert.ok(grown('rxPackets') > 1000, report);
        assert.ok(grown('kernelRxPackets') > grown('rxPackets') * 0.9, report);
        assert.ok(grown('kernelDecapPackets') > grown('rxPackets') * 0.9, report);
      });

      it('keeps a device of its own for that across restarts, and none without the program', async () => {
        const earlier = await decapDevices(lab(), 'h2');
        await restartKept(lab(), 'h2');
        const later = await decapDevices(lab(), 'h2');
        assert.deepEqual([earlier.length, later.length], [1, 1]);
        assert.notDeepEqual(later, earlier);
        assert.equal((await stream(lab())).reordered, 0);
        await lab().stopDaemon('h2');
        await lab().startDaemon('h2', ['--bpf=off']);
        await waitUntilReady(lab(), 'h2');
        assert.deepEqual(await decapDevices(lab(), 'h2'), []);
        await waitFor('packets in both directions', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
      });
    });
