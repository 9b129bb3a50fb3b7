// VNI, port and backend changed while everything runs: each pair of containers pings a thousand times a second meanwhile, two hundred
// times where packets wait in the sockets of userspace, which are small outside of the first user namespace.
import assert from 'node:assert/strict';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf, routesOf } from './support/daemon-view.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { RENAMES_WHILE_UP } from './support/kernel-features.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';
import { startPing, type PingResult } from '../lab/traffic.ts';

const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

interface Change {
  readonly name: string;
  readonly backend: object;
  /** Devices of a host in the end. */
  readonly devices: readonly string[];
  /** Of all the routes to peers. */
  readonly dev: string;
  /** Between two pings of a pair; default 1. */
  readonly pingMs?: number;
  /** The present device must be renamed first. */
  readonly renames?: boolean;
}

/** Part of the pings that a rename may lose where the kernel takes the device down for it. */
const RENAME_LOSS = 0.01;

const CHANGES: readonly Change[] = [
  { name: 'another VNI', backend: { Type: 'vxlan', VNI: 2 }, devices: ['flannel.2'], dev: 'flannel.2' },
  {
    name: 'another port',
    backend: { Type: 'vxlan', VNI: 2, Port: 4789 },
    devices: ['flannel.2'],
    dev: 'flannel.2',
    renames: true,
  },
  { name: 'host-gw', backend: { Type: 'host-gw' }, devices: [], dev: 'eth0' },
  { name: 'udp', backend: { Type: 'udp' }, devices: ['flannel0'], dev: 'flannel0', pingMs: 5 },
  {
    name: 'vxlan again',
    backend: { Type: 'vxlan' },
    devices: ['flannel.1'],
    dev: 'flannel.1',
  },
];

describe('transport migration of running hosts', () => {
  const lab = useLab({ hosts: 5 });
  const names = () => lab().topology.hosts.map(({ name }) => name);

  before(async () => {
    for (const name of names()) await waitUntilReady(lab(), name);
  });

  /** Pings between each two of the containers of `hosts` while `work` is done. */
  async function pingDuring(
    hosts: readonly string[],
    work: () => Promise<void>,
    intervalMs = 1,
  ): Promise<PingResult> {
    const pings: Awaited<ReturnType<typeof startPing>>[] = [];
    for (const [index, from] of hosts.entries())
      for (const to of hosts.slice(index + 1))
        pings.push(
          await startPing(lab(), lab().host(from).container, await lab().containerAddress(to), intervalMs),
        );
    await work();
    const results = await Promise.all(pings.map((ping) => ping.stop()));
    const sum = (field: keyof PingResult) => results.reduce((total, result) => total + result[field], 0);
    return { sent: sum('sent'), received: sum('received'), lost: sum('lost') };
  }

  async function sendsTo(name: string, dev: string, peers: number): Promise<boolean> {
    return (await routesOf(lab(), name)).filter((route) => route.dev === dev).length === peers;
  }

  async function hasFollowed(name: string, { devices, dev }: Change, peers: number): Promise<boolean> {
    if ((await overlayDevicesOf(lab(), name)).join() !== devices.join()) return false;
    const routes = (await routesOf(lab(), name)).filter((route) => route.dst.startsWith('10.5.'));
    return routes.every((route) => route.dev === dev) && (dev === 'flannel0' || routes.length === peers);
  }

  async function waitUntilFollowed(hosts: readonly string[], change: Change): Promise<void> {
    for (const name of hosts)
      await waitFor(
        `${name} to follow to ${change.name}`,
        () => hasFollowed(name, change, 4),
        60_000,
        50,
      ).catch(async (error: Error) => {
        const { stdout } = await lab().weft(name, ['status']);
        throw new Error(`${error.message}; its log ends with:\n${stdout}`);
      });
  }

  for (const change of CHANGES) {
    const mayLose = change.renames === true && !RENAMES_WHILE_UP;
    const title = mayLose ? 'nothing but in the rename' : 'nothing';
    it(`to ${change.name} loses ${title}, and leaves nothing of the old transport`, async () => {
      const work = async (): Promise<void> => {
        await lab().putConfig(configOf(change.backend));
        await waitUntilFollowed(names(), change);
      };
      const { lost, sent } = await pingDuring(names(), work, change.pingMs);
      assert.ok(lost <= (mayLose ? RENAME_LOSS * sent : 0), `lost ${lost} of ${sent}`);
    });
  }

  it('waits for a host that is cut off from etcd, which is reached all the while and follows when it is back', async () => {
    const change = CHANGES[0]!;
    const others = names().slice(0, -1);
    const [cut] = names().slice(-1) as [string];
    const wire = (state: string) => lab().check('etcd', ['sh', '-c', state]);
    const result = await pingDuring(names(), async () => {
      await wire(`ip route add blackhole ${lab().host(cut).publicIp}`);
      await lab().putConfig(configOf(change.backend));
      for (const name of others)
        await waitFor(
          `${name} to send to all others by the new transport`,
          () => sendsTo(name, 'flannel.2', 3),
          60_000,
          50,
        );
      for (const name of others)
        assert.deepEqual(await overlayDevicesOf(lab(), name), ['flannel.1', 'flannel.2']);
      assert.deepEqual(await overlayDevicesOf(lab(), cut), ['flannel.1']);
      const { stdout } = await lab().weft('h1', ['status']);
      await assertHealthy(lab());
      assert.match(stdout, /\n {2}change +to vxlan VNI 2 port 8472: leaving, waiting for 10\.5\./);
      await wire(`ip route del blackhole ${lab().host(cut).publicIp}`);
      await waitUntilFollowed(names(), change);
    });
    assert.equal(result.lost, 0, `lost ${result.lost} of ${result.sent}`);
  });

  it('goes on where it stopped after every daemon was killed in the middle of it', async () => {
    const change = CHANGES[2]!;
    const result = await pingDuring(names(), async () => {
      await lab().putConfig(configOf(change.backend));
      for (const name of names()) {
        await lab().stopDaemon(name, 'KILL');
        await lab().startDaemon(name);
      }
      await waitUntilFollowed(names(), change);
    });
    assert.equal(result.lost, 0, `lost ${result.lost} of ${result.sent}`);
  });
});
