// From vxlan to wireguard, to other keys, and back, while containers ping each other: no packet is lost, and none leaves in the
// clear to a host that got an encrypted one. By the kernel where it has WireGuard, else by wireguard-go.
import assert from 'node:assert/strict';
import { TIME_SCALE } from '../lab/time-scale.ts';
import { startPing, type PingReport, type PingResult } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf, routesOf } from './support/daemon-view.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';
import { packetsInClear, watchUnderlay } from './support/wireguard/wireguard-lab.ts';

const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

interface Change {
  readonly name: string;
  readonly backend: object;
  readonly device: string;
  /** By `weft wireguard rotate`, from the generation before. */
  readonly isByCommand?: true;
}

/** Seconds of a period of `RotateAfter` that ends so many seconds from now, or some more. */
function periodThatEnds(inSec: number): number {
  const nowSec = Math.ceil(Date.now() / 1000);
  for (let period = 3600; ; period++) {
    const restSec = period - (nowSec % period);
    if (restSec >= inSec && restSec < inSec + 10) return period;
  }
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
  name: 'other keys by weft wireguard rotate',
  backend: { Type: 'wireguard', KeyEpoch: 2 },
  device: 'flannel-wg',
  isByCommand: true,
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
    const pings: { readonly pair: string; readonly stop: () => Promise<PingReport> }[] = [];
    for (const [index, from] of names().entries())
      for (const to of names().slice(index + 1)) {
        const ping = await startPing(lab(), lab().host(from).container, await lab().containerAddress(to), 5);
        pings.push({ pair: `${from}–${to}`, stop: () => ping.stop() });
      }
    await work();
    const results = await Promise.all(
      pings.map(async ({ pair, stop }) => ({ pair, endedAt: new Date().toISOString(), ...(await stop()) })),
    );
    for (const { pair, endedAt, sent, gaps } of results)
      if (gaps !== '') console.error(`${pair}: of ${sent} pings each 5 ms until ${endedAt} lost: ${gaps}`);
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

  async function begin({ backend, isByCommand }: Change): Promise<void> {
    if (isByCommand !== true) return lab().putConfig(configOf(backend));
    const rotate = ['weft', 'wireguard', 'rotate', '--yes', '--timeout', '90'];
    const output = await lab().check('h1', [...lab().userEnvironment('h1'), ...rotate]);
    assert.match(output, /3 of 3 hosts have followed/);
    assert.match(await lab().etcdctl(['get', '/coreos.com/network/config']), /"KeyEpoch": ?2/);
  }

  for (const change of [TO_WIREGUARD, TO_EPOCH_1, TO_EPOCH_2])
    it(`to ${change.name} loses nothing, and sends nothing in the clear once a peer has answered`, async () => {
      for (const name of names()) await watchUnderlay(lab(), name);
      const { lost, sent } = await pingDuring(async () => {
        await begin(change);
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

  it('to other keys by RotateAfter loses nothing when a period begins', async () => {
    for (const name of names()) await watchUnderlay(lab(), name);
    const RotateAfter = periodThatEnds(30 * TIME_SCALE);
    const epoch = 4 + Math.floor(Date.now() / 1000 / RotateAfter);
    const first = { ...TO_EPOCH_1, backend: { Type: 'wireguard', KeyEpoch: 4, RotateAfter } };
    const { lost, sent } = await pingDuring(async () => {
      await lab().putConfig(configOf(first.backend));
      await waitUntilFollowed(first);
      await waitUntilFollowed({ ...TO_EPOCH_2, name: 'the next period' });
    });
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    await assertNoneInClear();
    const files = await lab().check('h1', ['sh', '-c', 'ls /run/weft-lab/h1/wgkey*']);
    assert.equal(files.trim(), `/run/weft-lab/h1/wgkey.${epoch + 1}`);
  });

  it('to vxlan again loses nothing, and leaves no device', async () => {
    const { lost, sent } = await pingDuring(async () => {
      await lab().putConfig(configOf(TO_VXLAN.backend));
      await waitUntilFollowed(TO_VXLAN);
    });
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });
});
