// Encrypted backends, from vxlan, through restarts of every daemon, and back to vxlan: a capture of the switch has no packet of
// containers in the clear between two hosts once one of them was sent encrypted, until the config is vxlan again.
import assert from 'node:assert/strict';
import { startPing } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { overlayDevicesOf, routesOf } from '../support/daemon-view.ts';
import { besideCharon, KILL_CHARON, WITH_OWN_RUN } from '../support/ipsec/ipsec-lab.ts';
import { canPing, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { MARKED, WireCapture, type WireFrame } from '../support/wire-capture.ts';

const FOLLOW_MS = 90_000;
const NAMES = ['h1', 'h2', 'h3'];
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const VXLAN = configOf({ Type: 'vxlan' });

const BACKENDS = [
  { name: 'wireguard', backend: { Type: 'wireguard' }, devices: 'flannel-wg' },
  { name: 'ipsec', backend: { Type: 'ipsec', PSK: '0123456789abcdef'.repeat(6) }, devices: '' },
] as const;

for (const { name, backend, devices } of BACKENDS)
  describe(`the wire between hosts with backend ${name}`, () => {
    const lab = useLab({ hosts: 3, bare: NAMES, config: VXLAN });

    before(async () => {
      const under = name === 'ipsec' ? WITH_OWN_RUN : [];
      for (const host of NAMES) await lab().startDaemon(host, [], under);
      for (const host of NAMES) {
        await waitUntilReady(lab(), host);
        await lab().attachContainer(host);
      }
    });

    async function change(config: string, wanted: string): Promise<void> {
      await lab().putConfig(config);
      for (const host of NAMES) {
        const hasFollowed = async (): Promise<boolean> =>
          (await overlayDevicesOf(lab(), host)).join() === wanted &&
          (await routesOf(lab(), host)).filter(({ dev }) => dev === wanted).length ===
            (wanted === '' ? 0 : 2);
        await waitFor(`${host} to follow`, hasFollowed, FOLLOW_MS, 50);
      }
    }

    async function restartAll(): Promise<void> {
      for (const host of NAMES)
        for (const signal of ['TERM', 'KILL'] as const) {
          const under = name === 'ipsec' ? await besideCharon(lab(), host) : [];
          await lab().stopDaemon(host, signal);
          await lab().startDaemon(host, [], under);
          await waitUntilReady(lab(), host);
        }
    }

    it('carries no packet in the clear to a host that got an encrypted one, until the config is vxlan again', async () => {
      const capture = await WireCapture.start(lab());
      const pings = [];
      for (const [index, from] of NAMES.entries())
        for (const to of NAMES.slice(index + 1))
          pings.push(
            await startPing(lab(), lab().host(from).container, await lab().containerAddress(to), 10, MARKED),
          );
      await change(configOf(backend), devices);
      await restartAll();
      if (name === 'ipsec') {
        await lab().check('h1', KILL_CHARON);
        await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), FOLLOW_MS);
      }
      const backSec = Date.now() / 1000;
      await change(VXLAN, 'flannel.1');
      for (const ping of pings) await ping.stop();
      assertNoneInClear(await capture.stop(), backSec);
    });

    function assertNoneInClear(frames: readonly WireFrame[], backSec: number): void {
      const addresses = NAMES.map((host) => lab().host(host).publicIp);
      const isHost = (address: string): boolean => addresses.includes(address);
      const bare = frames.filter(
        ({ isClear, from, to }) =>
          from.startsWith('10.5.') || to.startsWith('10.5.') || (isClear && !(isHost(from) && isHost(to))),
      );
      assert.deepEqual(bare, [], 'packets of containers left without a tunnel');
      for (const from of addresses)
        for (const to of addresses.filter((other) => other !== from)) {
          const between = frames.filter((frame) => frame.from === from && frame.to === to);
          // The pattern is found where it is: before and after.
          assert.ok(
            between.some(({ isClear }) => isClear),
            `${from} sends ${to} nothing by vxlan`,
          );
          const first = between.find(({ isEncrypted }) => isEncrypted);
          assert.ok(first !== undefined, `${from} sends ${to} nothing encrypted`);
          const late = between.filter(
            ({ isClear, atSec }) => isClear && atSec > first.atSec && atSec < backSec,
          );
          assert.deepEqual(late, [], `${from} sends ${to} packets in the clear after ${first.atSec}`);
        }
    }
  });
