// Backend ipsec with strongSwan's charon. Every host has a /run of its own, where charon's socket is. Without ESP in the
// kernel, policies and connections alone are tested (`make test-kernel` has it).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf } from './support/daemon-view.ts';
import { canPing, shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
const PSK = '0123456789abcdef'.repeat(6);
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const IPSEC = { Type: 'ipsec', PSK };

/** The lab's files stay where they are. */
const OWN_RUN =
  'mkdir -p /tmp/lab-run && mount --bind /run/weft-lab /tmp/lab-run && mount -t tmpfs tmpfs /run && mkdir -p /run/weft-lab /run/wireguard && mount --bind /tmp/lab-run /run/weft-lab && exec "$@"';
const UNDER = ['unshare', '--mount', 'sh', '-c', OWN_RUN, 'sh'];

/** Whether the kernel has ESP. Of a virtual machine it is known: there a failure is one of the suite. */
function hasEsp(): boolean {
  if (process.env['WEFT_TEST_KERNEL'] !== undefined) return true;
  const id = 'src 127.0.0.8 dst 127.0.0.9 proto esp spi 0x1000';
  const script = `ip xfrm state add ${id} mode tunnel enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff && ip xfrm state del ${id}`;
  return spawnSync('unshare', ['--net', 'sh', '-c', script], { stdio: 'ignore' }).status === 0;
}

describe('backend ipsec', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'], config: configOf(IPSEC) });
  const names = ['h1', 'h2'];
  const policies = async (name: string) =>
    (await lab().check(name, ['ip', 'xfrm', 'policy']))
      .split('\n')
      .filter((line) => line.startsWith('src 10.5.'));

  before(async () => {
    for (const name of names) await lab().startDaemon(name, [], UNDER);
    for (const name of names) await waitUntilReady(lab(), name);
    for (const name of names) await lab().attachContainer(name);
  });

  it("makes flannel's policies, and a connection a peer in charon", async () => {
    const [own, peer] = await Promise.all(names.map((name) => subnetOf(lab(), name)));
    await waitFor('policies', async () => (await policies('h1')).length === 3, REPAIR_MS);
    assert.deepEqual(
      (await policies('h1')).map((line) => line.trim()).sort(),
      [`src ${own} dst ${peer}`, `src ${peer} dst ${own}`, `src ${peer} dst ${own}`].sort(),
    );
    const isInSync = async () => /programmed/.test((await lab().weft('h1', ['peers'])).stdout);
    await waitFor('the peer to be in sync', isInSync, REPAIR_MS);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1423$/m);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
  });

  it('repairs policies that another program deletes', async () => {
    await lab().check('h1', ['ip', 'xfrm', 'policy', 'flush']);
    await waitFor('policies', async () => (await policies('h1')).length === 3, REPAIR_MS);
  });

  describe('with ESP in the kernel', () => {
    before(function skip() {
      if (!hasEsp()) this.skip();
    });

    it('carries pings at the full MTU', async () => {
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      const address = await lab().containerAddress('h2');
      assert.ok(await shellTest(lab(), 'c1', `ping -q -c 2 -M do -s 1395 ${address}`));
    });

    it('puts no packet of the overlay on the wire in the clear', async () => {
      const address = await lab().containerAddress('h2');
      const capture = `timeout 5 tshark -i eth0 -Y 'ip.addr == 10.5.0.0/16' -l 2>/dev/null | grep -q .`;
      const [isSeen] = await Promise.all([
        shellTest(lab(), 'h1', capture),
        shellTest(lab(), 'c1', `sleep 1; ping -q -c 20 -i 0.1 ${address}`),
      ]);
      assert.ok(!isSeen);
    });

    it('comes back after charon was killed', async () => {
      await lab().check('h1', ['pkill', '-KILL', '--ns', 'self', '--nslist', 'net', 'charon']);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    });
  });
});
