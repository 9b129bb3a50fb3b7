// From vxlan to wireguard, to other keys, and back, while containers ping each other: no packet is lost, and none leaves in the
// clear to a host that got an encrypted one. By the kernel where it has WireGuard, else by wireguard-go.
import assert from 'node:assert/strict';
import { startPing, type PingResult } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf, routesOf } from './support/daemon-view.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';
import { packetsInClear, watchUnderlay } from './support/wireguard/wireguard-lab.ts';

const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

interface Change {
  readonly name: string;
  readonly backend: object;
  readonly device: string;
}

const TO_WIREGUARD: Change = {
  name: 'wireguard',
  backend: { Type: 'wireguard' },
  device: 'flannel-wg',
};
const TO_EPOCH_1: Change = {
  name: 'other keys',
  backend: { Type: 'wireguard', KeyEpoch: 1 },
  device: 'flannel-wg.1',
};
const TO_EPOCH_2: Change = {
  name: 'other keys again',
  backend: { Type: 'wireguard', KeyEpoch: 2 },
  device: 'flannel-wg',
};
const TO_VXLAN: Change = { name: 'vxlan again', backend: { Type: 'vxlan' }, device: 'flannel.1' };

describe('migration from and to wireguard', () => {
  const lab = useLab({ hosts: 3 });
  const names = () => lab().topology.hosts.map(({ name }) => name);

  before(async () => {
    for (const name of names()) await waitUntilReady(lab(), name);
  });

  /** Pings between each two containers while `work` is done. */
  async function pingDuring(work: () => Promise<void>): Promise<PingResult> {
    const pings: Awaited<ReturnType<typeof startPing>>[] = [];
    for (const [index, from] of names().entries())
      for (const to of names().slice(index + 1))
        pings.push(await startPing(lab(), lab().host(from).container, await lab().containerAddress(to), 5));
    await work();
    const results = await Promise.all(pings.map((ping) => ping.stop()));
    const sum = (field: keyof PingResult) => results.reduce((total, result) => total + result[field], 0);
    return { sent: sum('sent'), received: sum('received'), lost: sum('lost') };
  }

  async function hasFollowed(name: string, { device }: Change): Promise<boolean> {
    if ((await overlayDevicesOf(lab(), name)).join() !== device) return false;
    const routes = (await routesOf(lab(), name)).filter(({ dst }) => dst.startsWith('10.5.'));
    return routes.length === 2 && routes.every(({ dev }) => dev === device);
  }

  async function waitUntilFollowed(change: Change): Promise<void> {
    for (const name of names())
      await waitFor(`${name} to follow to ${change.name}`, () => hasFollowed(name, change), 90_000, 50).catch(
        async (error: Error) => {
          const { stdout } = await lab().weft(name, ['status']);
          throw new Error(`${error.message}; its status is:\n${stdout}`);
        },
      );
  }

  async function assertNoneInClear(): Promise<void> {
    for (const name of names()) {
      const { clear, late, encrypted } = await packetsInClear(lab(), name);
      assert.deepEqual({ clear, late }, { clear: 0, late: 0 }, name);
      assert.ok(encrypted > 0, `${name} sends nothing encrypted`);
    }
  }

  for (const change of [TO_WIREGUARD, TO_EPOCH_1, TO_EPOCH_2])
    it(`to ${change.name} loses nothing, and sends nothing in the clear once a peer has answered`, async () => {
      for (const name of names()) await watchUnderlay(lab(), name);
      const { lost, sent } = await pingDuring(async () => {
        await lab().putConfig(configOf(change.backend));
        await waitUntilFollowed(change);
      });
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
      await assertNoneInClear();
    });

  it('keeps the key in force alone', async () => {
    const files = await lab().check('h1', ['sh', '-c', 'ls /run/weft-lab/h1']);
    assert.deepEqual(
      files.split('\n').filter((name) => name.startsWith('wgkey')),
      ['wgkey.2'],
    );
    assert.ok(await shellTest(lab(), 'h1', 'test $(stat -c %a /run/weft-lab/h1/wgkey.2) = 600'));
  });

  it('to other keys goes on where it stopped after every daemon was killed in the middle of it', async () => {
    const change = { ...TO_EPOCH_1, backend: { Type: 'wireguard', KeyEpoch: 3 } };
    for (const name of names()) await watchUnderlay(lab(), name);
    const { lost, sent } = await pingDuring(async () => {
      await lab().putConfig(configOf(change.backend));
      for (const name of names()) {
        await lab().stopDaemon(name, 'KILL');
        await lab().startDaemon(name);
      }
      await waitUntilFollowed(change);
    });
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    await assertNoneInClear();
  });

  it('to other keys waits for a peer whose port is closed, and goes on by the former ones', async () => {
    const change = { ...TO_EPOCH_2, backend: { Type: 'wireguard', KeyEpoch: 4 } };
    const filter =
      'table ip blocked { chain in { type filter hook input priority 0; udp dport 51820 drop; }; }';
    await lab().check('h3', ['nft', filter]);
    const { lost, sent } = await pingDuring(async () => {
      await lab().putConfig(configOf(change.backend));
      const isWaiting = async (): Promise<boolean> => {
        const { stdout } = await lab().weft('h1', ['status']);
        return /change +to wireguard key epoch 4: leaving, waiting for 10\.5\./.test(stdout);
      };
      await waitFor('h1 to wait for h3', isWaiting, 60_000);
      await lab().check('h3', ['nft', 'delete', 'table', 'ip', 'blocked']);
      await waitUntilFollowed(change);
    });
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });

  it('to vxlan again loses nothing, and leaves no device', async () => {
    const { lost, sent } = await pingDuring(async () => {
      await lab().putConfig(configOf(TO_VXLAN.backend));
      await waitUntilFollowed(TO_VXLAN);
    });
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });
});
